//! `rlcredit recipes`: the recipes that come with the program, and what a recipe may say.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};

use super::{remark, require, say};
use crate::files::write_whole;
use crate::recipe::{Draft, Recipe, Reference, SHIPPED, Shipped};
use crate::run::Failure;
use crate::types::{counted, program};

#[derive(Args)]
pub(super) struct Recipes {
    #[command(subcommand)]
    action: Option<Action>,
    /// Say what a key is: optim, credit.rhythm, optim.lr
    ///
    /// A section, a choice of its `type`, or a key
    #[arg(long, value_name = "KEY")]
    explain: Option<String>,
}

#[derive(Subcommand)]
enum Action {
    /// Copy a recipe, and the ones that it stands on, to change them
    Copy(Copy),
}

#[derive(Args)]
struct Copy {
    /// What it is called in the list of `recipes`
    name: String,
    /// File to write, or - [default: NAME.toml here]
    ///
    /// The ones that it stands on go beside it; - writes it to standard output, all of it in one
    path: Option<PathBuf>,
}

impl Recipes {
    pub(super) fn run(self) -> Result<ExitCode> {
        let Self { action, explain } = self;
        require(action.is_none() || explain.is_none(), || {
            "--explain: got `copy` as well; expected one of them".to_owned()
        })?;
        match (action, explain) {
            (Some(Action::Copy(copy)), _) => copy.run()?,
            (None, Some(key)) => self::explain(&key)?,
            (None, None) => list()?,
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Says of every recipe what it is and what it needs.
fn list() -> Result<()> {
    for own in SHIPPED {
        let recipe = Draft::of_shipped(own)?.finish()?;
        say(own.name)?;
        say(format_args!("    {}", own.summary()))?;
        say(format_args!("    needs {}", needs(&recipe)))?;
    }
    say("")?;
    let program = program();
    say(format_args!("{program} recipes copy NAME writes one into a file; {program} train FILE runs it"))?;
    say(format_args!("{program} recipes --explain SECTION, or SECTION.KEY, says what may be changed in it"))
}

/// Says what the reference says of `key`.
fn explain(key: &str) -> Result<()> {
    let said = Reference::of_program()?.explain(key);
    let said = said.map_err(|problem| Failure::BadInput(format!("--explain: {problem:#}")))?;
    said.lines().try_for_each(say)
}

/// What has to be there before `recipe` can run.
fn needs(recipe: &Recipe) -> String {
    let model = match (&recipe.model.hub, &recipe.model.path) {
        (Some(hub), _) => Some(format!("{hub} from the hub")),
        (None, Some(path)) => Some(format!("a model in {}", path.display())),
        (None, None) => None,
    };
    let n_files = recipe.data.settings().files().concat().len();
    let files = (n_files > 0).then(|| format!("{} of problems", counted(n_files, "file")));
    let all: Vec<String> = model.into_iter().chain(files).collect();
    if all.is_empty() { String::from("nothing else") } else { all.join(", ") }
}

impl Copy {
    fn run(self) -> Result<()> {
        let own = Shipped::find(&self.name);
        require(own.is_some(), || {
            let names: Vec<&str> = SHIPPED.iter().map(|own| own.name).collect();
            format!("no recipe is called {:?}; expected one of {}", self.name, names.join(", "))
        })?;
        let Some(own) = own else { return Ok(()) };
        let file = |own: &Shipped| {
            PathBuf::from(own.name.rsplit('/').next().unwrap_or(own.name).to_owned() + ".toml")
        };
        if self.path.as_deref() == Some(Path::new("-")) {
            let whole = Draft::of_shipped(own)?.text().trim_end().to_owned();
            return say(whole);
        }
        let first = self.path.unwrap_or_else(|| file(own));
        let folder = first.parent().unwrap_or(Path::new("")).to_owned();
        let bases = own.chain().into_iter().skip(1).map(|base| (folder.join(file(base)), base.text));
        let files: Vec<(PathBuf, &str)> = std::iter::once((first, own.text)).chain(bases).collect();
        // What a person has changed is not written over, and what is there as it would be is no hindrance.
        let differs = |(path, text): &&(PathBuf, &str)| {
            std::fs::read_to_string(path).map_or(path.exists(), |there| there != **text)
        };
        let other = files.iter().find(differs).map(|(path, _)| path.display());
        require(other.is_none(), || {
            let other = other.map(|path| path.to_string()).unwrap_or_default();
            format!("{other}: is there already, and is another file; name another place")
        })?;
        for (path, text) in &files {
            write_whole(path, |file| Ok(file.write_all(text.as_bytes())?))?;
            say(path.display())?;
        }
        if files.len() > 1 {
            remark("the first stands on the others (`base`): what it does not say is theirs");
        }
        Ok(())
    }
}
