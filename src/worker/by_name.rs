//! The arguments of a typed call: by name in the task, by position and by name for the function.

use std::borrow::Cow;

use super::native::Raised;
use super::typed::Path;
use crate::json::{self, Kind, Member};
use crate::transport::FunctionTypes;

/// Deeper than any task.
const DEPTH_MAX: usize = 1_000;

/// The arguments of a call as a function takes them.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct LaidOut<'a> {
    /// Each as raw JSON.
    pub positional: Vec<&'a [u8]>,
    /// A JSON object, if there are any.
    pub keywords: Option<Cow<'a, [u8]>>,
}

/// Lays the members of a JSON object out: those that go by position, and the rest. Where nothing is known of a
/// function, `args` are the positional arguments.
pub(super) fn lay_out<'a>(types: &FunctionTypes, text: &'a [u8]) -> Result<LaidOut<'a>, Raised> {
    let members = json::envelope(text, DEPTH_MAX).map_err(|error| {
        Raised::invalid("$", format!("it must be an object, the arguments by name: {error}"))
    })?;
    let rest = if types.parameters.is_some() { types.rest.as_deref() } else { Some("args") };
    if members.is_empty() {
        return Ok(LaidOut { positional: Vec::new(), keywords: None });
    }
    if types.positional.is_empty() && rest.is_none() {
        return Ok(LaidOut { positional: Vec::new(), keywords: Some(Cow::Borrowed(text)) });
    }
    let find = |name: &str| members.iter().position(|member| member.name == name);
    let value = |at: usize| text.get(members[at].range.clone()).unwrap_or_default();
    let mut taken = vec![false; members.len()];
    let mut positional = Vec::new();
    for at in types.positional.iter().map_while(|name| find(name)) {
        taken[at] = true;
        positional.push(value(at));
    }
    if let Some((name, at)) = rest.and_then(|name| Some((name, find(name)?))) {
        if members[at].kind != Kind::Array {
            return Err(Raised::invalid(&Path::member(name), "it must be an array: its items are arguments"));
        }
        if let Some(gap) = types.positional.get(positional.len()).filter(|_| members[at].elements > 0) {
            let message = format!("the argument is missing, and the items of {name} go behind it");
            return Err(Raised::invalid(&Path::member(gap), message));
        }
        taken[at] = true;
        positional.extend(json::elements(value(at)));
    }
    let left = members.iter().zip(&taken).filter(|(_, taken)| !**taken).map(|(member, _)| member);
    Ok(LaidOut { positional, keywords: object(left, text).map(Cow::Owned) })
}

fn object<'a>(members: impl Iterator<Item = &'a Member<'a>>, text: &[u8]) -> Option<Vec<u8>> {
    let mut made = Vec::new();
    for member in members {
        made.push(if made.is_empty() { b'{' } else { b',' });
        // Writing JSON into memory can't fail for a text.
        let _ = serde_json::to_writer(&mut made, &*member.name);
        made.push(b':');
        made.extend_from_slice(text.get(member.range.clone()).unwrap_or_default());
    }
    (!made.is_empty()).then(|| {
        made.push(b'}');
        made
    })
}

impl Raised {
    /// The same with the path in the arguments of the call as one in the arguments by name.
    pub(super) fn by_name(mut self, types: &FunctionTypes) -> Self {
        if let Self::InvalidArguments { path, .. } | Self::UnknownRef { path, .. } = &mut self {
            *path = path_by_name(types, std::mem::take(path));
        }
        self
    }
}

fn path_by_name(types: &FunctionTypes, path: String) -> String {
    if let Some(rest) = path.strip_prefix("$.kwargs") {
        return format!("${rest}");
    }
    let Some(rest) = path.strip_prefix("$.args") else { return path };
    let index = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'));
    let Some((index, after)) = index.and_then(|(index, after)| Some((index.parse::<usize>().ok()?, after)))
    else {
        return "$".to_owned();
    };
    match (types.positional.get(index), &types.rest) {
        (Some(name), _) => format!("{}{after}", Path::member(name)),
        (None, Some(name)) => format!("{}[{}]{after}", Path::member(name), index - types.positional.len()),
        (None, None) => path,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn types(positional: &[&str], rest: Option<&str>) -> FunctionTypes {
        let positional = positional.iter().map(ToString::to_string).collect();
        FunctionTypes {
            parameters: Some(json!({})),
            returns: None,
            positional,
            rest: rest.map(str::to_owned),
        }
    }

    fn laid_out(types: &FunctionTypes, text: &str) -> (Vec<String>, String) {
        let LaidOut { positional, keywords } = lay_out(types, text.as_bytes()).expect("it can be laid out");
        let told = |text: &[u8]| String::from_utf8(text.to_vec()).expect("text");
        (positional.into_iter().map(told).collect(), keywords.map(|text| told(&text)).unwrap_or_default())
    }

    fn strings(texts: &[&str]) -> Vec<String> {
        texts.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn members_go_where_the_function_takes_them() {
        let named = types(&[], None);
        assert_eq!(laid_out(&named, "{\"b\": 1}"), (strings(&[]), "{\"b\": 1}".into()));
        assert_eq!(laid_out(&named, "{}"), (strings(&[]), String::new()));
        let both = types(&["a", "b"], Some("more"));
        assert_eq!(
            laid_out(&both, r#"{"c":3,"b":[2],"more":[7,8],"a":1}"#),
            (strings(&["1", "[2]", "7", "8"]), "{\"c\":3}".into())
        );
        assert_eq!(laid_out(&both, r#"{"b":2}"#), (strings(&[]), "{\"b\":2}".into()));
        let unknown = FunctionTypes::default();
        assert_eq!(laid_out(&unknown, r#"{"args":[1],"k":2}"#), (strings(&["1"]), "{\"k\":2}".into()));
    }

    #[test]
    fn what_can_not_be_laid_out_is_told_with_its_path() {
        let one = types(&["a"], Some("more"));
        for (types, text, wanted) in [
            (&one, r#"{"more":[1]}"#, "$.a"),
            (&one, r#"{"a":1,"more":2}"#, "$.more"),
            (&FunctionTypes::default(), r#"{"args":"none"}"#, "$.args"),
            (&one, "[1]", "$"),
            (&one, r#"{"a":1,"a":2}"#, "$"),
        ] {
            let raised = lay_out(types, text.as_bytes()).expect_err("refused");
            assert!(matches!(&raised, Raised::InvalidArguments { path, .. } if path == wanted), "{raised:?}");
        }
    }

    #[test]
    fn paths_of_calls_become_paths_by_name() {
        let types = types(&["image"], Some("more"));
        for (of_call, by_name) in [
            ("$.args[0].x", "$.image.x"),
            ("$.args[2]", "$.more[1]"),
            ("$.kwargs.size[0]", "$.size[0]"),
            ("$.args", "$"),
            ("$", "$"),
        ] {
            assert_eq!(path_by_name(&types, of_call.into()), by_name);
        }
    }
}
