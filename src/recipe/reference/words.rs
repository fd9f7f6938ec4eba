//! The sentences of the settings types, where their JSON schema keeps them.

use serde_json::Value;

use crate::recipe::schema::TYPE;

/// A place of a JSON schema.
#[derive(Clone, Copy)]
pub(super) struct Words<'a> {
    /// The whole schema, which references start at.
    whole: &'a Value,
    here: &'a Value,
}

impl<'a> Words<'a> {
    /// Those of a whole schema.
    pub(super) fn new(whole: &'a Value) -> Self {
        Self { whole, here: whole }
    }

    /// What is said of this place; empty where nothing is.
    pub(super) fn sentence(self) -> String {
        plain(self.here["description"].as_str().unwrap_or_default())
    }

    /// The type that a field holds, behind references, options and lists.
    pub(super) fn within(self) -> Self {
        let at = |here| Self { here, ..self }.within();
        let is_null = |schema: &&Value| schema["type"] == "null";
        if let Some(target) = self.here["$ref"].as_str().and_then(|path| path.strip_prefix('#')) {
            return self.whole.pointer(target).map_or(self, at);
        }
        match self.here["anyOf"].as_array() {
            Some(either) if either.iter().any(|schema| is_null(&schema)) => {
                either.iter().find(|schema| !is_null(schema)).map_or(self, at)
            }
            _ if self.here["items"].is_object() => at(&self.here["items"]),
            _ => self,
        }
    }

    /// What this type is where `name` is chosen.
    pub(super) fn variant(self, name: &str) -> Option<Self> {
        let is_chosen = |schema: &&Value| schema["properties"][TYPE]["const"] == *name;
        self.either().find(is_chosen).map(|here| Self { here, ..self })
    }

    /// The field `name` of this type, or of the one that this is another name for.
    pub(super) fn field(self, name: &str) -> Option<Self> {
        let own = |words: Self| words.here["properties"].get(name);
        own(self).or_else(|| own(self.within())).map(|here| Self { here, ..self })
    }

    /// The values of this type that have a meaning of their own, as they are written, with that meaning.
    pub(super) fn choices(self) -> Vec<(String, String)> {
        let choice = |here: &'a Value| Some((written(here)?, Self { here, ..self }.sentence()));
        self.either().filter_map(choice).collect()
    }

    /// The alternatives of this type.
    fn either(self) -> impl Iterator<Item = &'a Value> {
        let lists = ["oneOf", "anyOf"].into_iter().filter_map(|key| self.here[key].as_array());
        lists.flatten()
    }
}

/// How a person writes an alternative: as its name, or as any value of its type.
fn written(schema: &Value) -> Option<String> {
    if schema["const"].is_string() {
        return Some(schema["const"].to_string());
    }
    match schema["type"].as_str()? {
        "array" => Some("a list".to_owned()),
        "integer" | "number" => Some("a number".to_owned()),
        "string" => Some("a text in quotes".to_owned()),
        "object" => Some("a table".to_owned()),
        _ => None,
    }
}

/// `doc` on one line, links within it reduced to the code that they show.
fn plain(doc: &str) -> String {
    let doc = doc.split_whitespace().collect::<Vec<_>>().join(" ");
    let (mut rest, mut text) = (doc.as_str(), String::new());
    while let Some((before, link)) = rest.split_once("[`") {
        let Some((code, after)) = link.split_once("`]") else { break };
        let target = after.strip_prefix('(').and_then(|target| target.split_once(')'));
        rest = target.map_or(after, |(_, after)| after);
        text += &format!("{before}`{code}`");
    }
    text + rest
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn links_become_the_code_that_they_show() {
        for (doc, expected) in [
            ("As [`A`] does,\nof `b`.", "As `A` does, of `b`."),
            ("See [`A`](super::A::B) and [`C`].", "See `A` and `C`."),
            ("As `[advantage] type = \"gae\"` [`x", "As `[advantage] type = \"gae\"` [`x"),
        ] {
            assert_eq!(plain(doc), expected);
        }
    }
}
