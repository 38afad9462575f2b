//! From a body's members to the arguments of a call.

use bytes::Bytes;

use super::Types;
use super::violation::{SchemaViolation, member};
use crate::json::{self, Kind, Member};

/// The arguments of a call.
#[derive(Debug, PartialEq, Eq)]
pub struct Arranged {
    /// A JSON array.
    pub positional: Bytes,
    /// A JSON object.
    pub keywords: Option<Bytes>,
}

impl Types {
    /// Lays the members of a body, a JSON object, out: those that go by position, and the rest.
    pub fn arrange(&self, body: &Bytes, members: &[Member<'_>]) -> Result<Arranged, SchemaViolation> {
        let unknown = "args".to_owned();
        let rest = if self.parameters.is_some() { self.rest.as_ref() } else { Some(&unknown) };
        let none = Bytes::from_static(b"[]");
        if members.is_empty() {
            return Ok(Arranged { positional: none, keywords: None });
        }
        if self.positional.is_empty() && rest.is_none() {
            let whole = first_to_last(body);
            return Ok(Arranged { positional: none, keywords: Some(whole) });
        }
        let find = |name: &str| members.iter().position(|member| member.name == name);
        let text = |at: usize| body.get(members[at].range.clone()).unwrap_or_default();
        let mut taken = vec![false; members.len()];
        let mut items: Vec<&[u8]> = Vec::new();
        for at in self.positional.iter().map_while(|name| find(name)) {
            taken[at] = true;
            items.push(text(at));
        }
        if let Some((name, at)) = rest.and_then(|name| Some((name, find(name)?))) {
            if members[at].kind != Kind::Array {
                return Err(SchemaViolation::new(
                    member(name),
                    "it must be an array: its items are arguments",
                ));
            }
            if let Some(gap) = self.positional.get(items.len()).filter(|_| members[at].elements > 0) {
                let message = format!("the argument is missing, and the items of {name} go behind it");
                return Err(SchemaViolation::new(member(gap), message));
            }
            taken[at] = true;
            items.extend(json::elements(text(at)));
        }
        let left = members.iter().zip(&taken).filter(|(_, taken)| !**taken).map(|(member, _)| member);
        let keywords = object(left.map(|member| (&*member.name, member.range.clone())), body);
        let positional = [b"[".as_slice(), &items.join(b",".as_slice()), b"]"].concat();
        Ok(Arranged { positional: positional.into(), keywords })
    }
}

fn object<'a>(
    members: impl Iterator<Item = (&'a str, std::ops::Range<usize>)>,
    body: &Bytes,
) -> Option<Bytes> {
    let mut text = Vec::new();
    for (name, range) in members {
        text.push(if text.is_empty() { b'{' } else { b',' });
        // Writing JSON into memory can't fail for a text.
        let _ = serde_json::to_writer(&mut text, name);
        text.push(b':');
        text.extend_from_slice(body.get(range).unwrap_or_default());
    }
    if text.is_empty() {
        return None;
    }
    text.push(b'}');
    Some(text.into())
}

/// Without the blanks around it.
fn first_to_last(body: &Bytes) -> Bytes {
    body.slice_ref(body.trim_ascii())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn arranged(types: &Types, body: &str) -> (String, String) {
        let body = Bytes::from(body.to_owned());
        let members = json::envelope(&body, 64).expect("an object");
        let made = types.arrange(&body, &members).expect("it can be laid out");
        let text = |bytes: Bytes| String::from_utf8(bytes.to_vec()).expect("text");
        (text(made.positional), made.keywords.map(text).unwrap_or_default())
    }

    #[test]
    fn members_go_where_the_function_takes_them() {
        let any = Some(json!({"type": "object"}));
        let named = Types::new(any.clone(), None, Vec::new(), None);
        assert_eq!(arranged(&named, " {\"b\": 1} "), ("[]".into(), "{\"b\": 1}".into()));
        assert_eq!(arranged(&named, "{}"), ("[]".into(), String::new()));
        let both = Types::new(any, None, vec!["a".into(), "b".into()], Some("more".into()));
        assert_eq!(
            arranged(&both, r#"{"c":3,"b":[2],"more":[7,8],"a":1}"#),
            ("[1,[2],7,8]".into(), "{\"c\":3}".into())
        );
        assert_eq!(arranged(&both, r#"{"b":2}"#), ("[]".into(), "{\"b\":2}".into()));
        assert_eq!(arranged(&Types::default(), r#"{"args":[1],"k":2}"#), ("[1]".into(), "{\"k\":2}".into()));
    }

    #[test]
    fn items_that_follow_nothing_are_refused() {
        let types = Types::new(Some(json!({})), None, vec!["a".into()], Some("more".into()));
        for (body, path) in [(r#"{"more":[1]}"#, "$.a"), (r#"{"a":1,"more":2}"#, "$.more")] {
            let body = Bytes::from(body);
            let members = json::envelope(&body, 64).expect("an object");
            assert_eq!(types.arrange(&body, &members).expect_err("refused").path, path);
        }
        let body = Bytes::from(r#"{"args":"none"}"#);
        let members = json::envelope(&body, 64).expect("an object");
        assert_eq!(Types::default().arrange(&body, &members).expect_err("refused").path, "$.args");
    }
}
