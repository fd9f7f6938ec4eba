//! Responses as one page that needs nothing but itself: the template with the numbers in it as JSON.

use anyhow::Result;
use serde::Serialize;

use super::text::Shown;
use crate::page;

const TEMPLATE: &str = include_str!("page.html");

#[derive(Serialize)]
struct Data<'a> {
    facts: &'a [(String, String)],
    responses: &'a [Shown],
}

/// The page for `responses`; `facts` are what holds for all of them, name and value.
///
/// # Errors
/// If the numbers cannot be written as JSON.
pub(crate) fn page(facts: &[(String, String)], responses: &[Shown]) -> Result<String> {
    page::fill(TEMPLATE, &Data { facts, responses })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use serde_json::Value;

    use super::super::tests::inspection;
    use super::*;

    #[test]
    fn no_text_can_leave_the_data() {
        let nasty = "</script><script>pwn()</script><!--\u{2028}{{data}}&\"'\n";
        let shown = Shown {
            label: nasty.into(),
            prompt: nasty.into(),
            pieces: vec![nasty.into(); 6],
            sampled: None,
            inspection: inspection(),
        };
        let page = page(&[("weights".into(), nasty.into())], &[shown]).unwrap();
        let (_, rest) = page.split_once("id=\"data\">").unwrap();
        let (data, _) = rest.split_once("</script>").unwrap();
        let data: Value = serde_json::from_str(data).unwrap();
        assert_eq!(data["responses"][0]["pieces"][5], nasty);
        assert_eq!(data["facts"][0][1], nasty);
        assert!(data["responses"][0]["fai"][5].is_null());
        let without = TEMPLATE.replace("{{data}}", "");
        assert_eq!(page.matches('<').count(), without.matches('<').count());
    }

    #[test]
    fn the_page_asks_the_network_for_nothing() {
        page::assert_whole(TEMPLATE);
    }
}
