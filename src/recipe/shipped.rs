//! The recipes that come with the program, as files of the folder `recipes`.

use std::path::Path;

use super::schema::BASE;

/// A recipe that comes with the program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shipped {
    /// Its path in the folder `recipes`, without `.toml`.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
}

/// Makes the list of files of the folder `recipes`.
macro_rules! shipped {
    ($($name:literal),* $(,)?) => {
        &[$(Shipped { name: $name, text: include_str!(concat!("../../recipes/", $name, ".toml")) }),*]
    };
}

/// All of them, the one to begin with first.
pub(crate) const SHIPPED: &[Shipped] = shipped![
    "countdown",
    "countdown_quick",
    "countdown_rhythm",
    "countdown_local_chunk",
    "countdown_global_anchor",
    "countdown_entropy",
    "countdown_random",
    "countdown_tree",
    "countdown_treerl",
    "countdown_ads",
    "countdown_attnrl",
    "countdown_ppo",
    "countdown_ppo_rhythm",
    "countdown_segment",
    "countdown_spoken",
    "countdown_spoken_segment",
    "forks_early",
    "forks_several",
    "forks_echoed",
    "forks_echoed_segment",
    "forks_decoys",
    "forks_decoys_segment",
    "smollm2_arithmetic",
    "smollm2_arithmetic_rhythm",
    "smollm2_lora",
    "smollm2_vllm",
    "gsm8k",
    "math_dapo",
    "math_dapo_r1",
    "paper/countdown_4b_rhythm",
    "paper/countdown_8b_rhythm",
    "paper/math_4b_rhythm",
    "paper/math_8b_rhythm",
    "paper/attnrl_1.5b",
    "paper/attnrl_7b",
    "paper/treerl_1.5b",
];

impl Shipped {
    /// The recipe called `name`, with or without its folder and ending.
    #[must_use]
    pub(crate) fn find(name: &str) -> Option<&'static Self> {
        let name = name.trim_end_matches(".toml");
        let name = name.strip_prefix("recipes/").unwrap_or(name);
        let file = |own: &str| own.rsplit('/').next() == Some(name);
        SHIPPED.iter().find(|own| own.name == name).or_else(|| SHIPPED.iter().find(|own| file(own.name)))
    }

    /// What its head says: its first paragraph behind the command that runs it.
    #[must_use]
    pub(crate) fn summary(&self) -> String {
        let lines = self.text.lines().map_while(|line| line.strip_prefix('#')).map(str::trim);
        let paragraph = lines.skip_while(|line| !line.is_empty()).skip(1).take_while(|line| !line.is_empty());
        paragraph.collect::<Vec<_>>().join(" ")
    }

    /// Itself and the recipes that it stands on, each on the one behind it.
    pub(crate) fn chain(&'static self) -> Vec<&'static Self> {
        let mut chain = vec![self];
        while let Some(base) = chain.last().and_then(|top| top.base()) {
            chain.push(base);
        }
        chain
    }

    /// The recipe that it stands on.
    fn base(&self) -> Option<&'static Self> {
        let table: toml::Table = self.text.parse().ok()?;
        let base = table.get(BASE)?.as_str()?;
        let beside = Path::new(self.name).with_file_name(base);
        Self::find(beside.to_str()?)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::collections::BTreeSet;

    use super::super::Draft;
    use super::*;

    #[test]
    fn every_recipe_of_the_folder_comes_with_the_program() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("recipes");
        let in_folder = |folder: &str| -> Vec<String> {
            let files = root.join(folder).read_dir().unwrap().map(|entry| entry.unwrap().path());
            let recipes = files.filter(|path| path.extension().is_some_and(|ending| ending == "toml"));
            let name = |path: std::path::PathBuf| path.strip_prefix(&root).unwrap().with_extension("");
            recipes.map(|path| name(path).display().to_string()).collect()
        };
        let files: BTreeSet<String> = [in_folder(""), in_folder("paper")].concat().into_iter().collect();
        // An ending such as `_1.5b` is part of the name.
        let shipped: BTreeSet<String> = SHIPPED.iter().map(|own| own.name.to_owned()).collect();
        assert_eq!(shipped, files);
    }

    #[test]
    fn each_says_what_it_is_and_can_be_read() {
        for own in SHIPPED {
            assert!(own.summary().len() > 40, "{}: {:?}", own.name, own.summary());
            let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("recipes/{}.toml", own.name));
            let from_file = super::super::Recipe::load(&file, &[]).unwrap().to_toml().unwrap();
            // Paths begin at the folder of the file, one of those that come with the program.
            let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/recipes/");
            let shipped = Draft::of_shipped(own).unwrap().finish().unwrap().to_toml().unwrap();
            assert_eq!(shipped, from_file.replace(folder, ""), "{}", own.name);
        }
    }

    #[test]
    fn a_recipe_is_found_by_its_name_and_brings_what_it_stands_on() {
        for name in ["countdown_attnrl", "countdown_attnrl.toml", "recipes/countdown_attnrl.toml"] {
            let chain = Shipped::find(name).unwrap().chain();
            let names: Vec<&str> = chain.into_iter().map(|own| own.name).collect();
            assert_eq!(names, ["countdown_attnrl", "countdown_ads", "countdown_tree", "countdown"]);
        }
        assert_eq!(Shipped::find("attnrl_7b").unwrap().chain()[1].name, "paper/attnrl_1.5b");
        assert_eq!(Shipped::find("countdwn"), None);
    }
}
