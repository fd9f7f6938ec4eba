//! The time that templates see which write it: that of a run's start. It stands in `resolved.toml`, as `[chat] now`.

use std::path::PathBuf;

use toml::Table;

use crate::files::read_regular_text;
use crate::recipe::Recipe;
use crate::run_folder::RunFolder;

/// Gives `recipe` the time of the first of the runs in `folders` that has one, where it goes on with a run or beside others:
/// what has begun is asked the same to its end.
pub(crate) fn keep_time(recipe: &mut Recipe, folders: impl IntoIterator<Item = PathBuf>) {
    let Some(chat) = recipe.chat.as_mut().filter(|chat| chat.now.is_none()) else { return };
    let time = |folder: PathBuf| {
        let resolved: Table =
            read_regular_text(&RunFolder::at(&folder).resolved(), u64::MAX).ok()?.parse().ok()?;
        resolved.get("chat")?.get("now")?.as_str().map(str::to_owned)
    };
    chat.now = folders.into_iter().find_map(time);
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]
    use std::fs;

    use super::*;
    use crate::data::ChatConfig;

    #[test]
    fn the_first_run_that_has_a_time_gives_it() {
        let dir = tempfile::tempdir().unwrap();
        let run = |name: &str, resolved: &str| {
            let folder = dir.path().join(name);
            fs::create_dir(&folder).unwrap();
            fs::write(RunFolder::at(&folder).resolved(), resolved).unwrap();
            folder
        };
        let folders = [
            run("a", "[chat]\n"),
            run("b", "[chat]\nnow = \"then\"\n"),
            run("c", "[chat]\nnow = \"later\"\n"),
        ];
        let mut recipe = Recipe::parse("t.toml", crate::run::tests::RECIPE, &[]).unwrap();
        keep_time(&mut recipe, folders.clone());
        assert_eq!(recipe.chat, None);
        recipe.chat = Some(ChatConfig::default());
        keep_time(&mut recipe, folders.clone());
        assert_eq!(recipe.chat.as_ref().unwrap().now.as_deref(), Some("then"));
        keep_time(&mut recipe, folders.into_iter().rev());
        assert_eq!(recipe.chat.unwrap().now.as_deref(), Some("then"));
    }
}
