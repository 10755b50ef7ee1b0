//! Just enough of a reader of Rust: tokens, which of them only tests see, and the paths they
//! make.

/// A token that is neither comment nor literal.
#[derive(Clone, Copy)]
pub(crate) struct Token<'a> {
    pub(crate) text: &'a str,
    /// From 1.
    pub(crate) line: usize,
    scope: usize,
}

/// A block `mod name { }`, or one that only tests see.
struct Scope {
    module: Vec<String>,
    tests: bool,
}

/// A Rust file.
pub(crate) struct Code<'a> {
    pub(crate) tokens: Vec<Token<'a>>,
    scopes: Vec<Scope>,
    /// Modules in files of their own that only tests see.
    pub(crate) test_modules: Vec<String>,
}

/// A path as written: `crate::a::{b, c}` makes two.
pub(crate) struct Path {
    /// From the crate's root, or with the name of a foreign crate in front.
    pub(crate) segments: Vec<String>,
    pub(crate) line: usize,
    pub(crate) in_tests: bool,
}

impl<'a> Code<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        let mut code = Self {
            tokens: lex(text),
            scopes: vec![Scope {
                module: Vec::new(),
                tests: false,
            }],
            test_modules: Vec::new(),
        };
        code.find_scopes();
        code
    }

    pub(crate) fn text(&self, i: usize) -> &'a str {
        self.tokens.get(i).map_or("", |token| token.text)
    }

    /// Whether the tokens from `i` on are `expected`.
    pub(crate) fn reads(&self, i: usize, expected: &[&str]) -> bool {
        (0..expected.len()).all(|k| self.text(i + k) == expected[k])
    }

    /// Whether only tests see a token.
    pub(crate) fn in_tests(&self, token: &Token<'_>) -> bool {
        self.scopes[token.scope].tests
    }

    fn find_scopes(&mut self) {
        let mut open = vec![0];
        let mut for_tests = false;
        for i in 0..self.tokens.len() {
            let current = open.last().copied().unwrap_or(0);
            self.tokens[i].scope = current;
            match self.text(i) {
                "#" if self.reads(i, &["#", "[", "cfg", "(", "test", ")", "]"])
                    || self.reads(i, &["#", "[", "test", "]"]) =>
                {
                    for_tests = true;
                }
                ";" => {
                    if for_tests && i >= 2 && self.text(i - 2) == "mod" {
                        self.test_modules.push(self.text(i - 1).to_owned());
                    }
                    for_tests = false;
                }
                "{" => {
                    let mut module = self.scopes[current].module.clone();
                    if i >= 2 && self.text(i - 2) == "mod" {
                        module.push(self.text(i - 1).to_owned());
                    }
                    let tests = self.scopes[current].tests || for_tests;
                    for_tests = false;
                    open.push(self.scopes.len());
                    self.scopes.push(Scope { module, tests });
                }
                "}" => {
                    open.pop();
                }
                _ => {}
            }
        }
    }

    /// Paths that begin with `crate`, `self`, `super` or one of `foreign`, in the file of
    /// module `module`.
    pub(crate) fn paths(&self, module: &[String], foreign: &[&str]) -> Vec<Path> {
        let mut paths = Vec::new();
        for (i, token) in self.tokens.iter().enumerate() {
            let inner = i > 0 && self.text(i - 1) == "::";
            if inner || self.text(i + 1) != "::" {
                continue;
            }
            let mut here = module.to_vec();
            here.extend(self.scopes[token.scope].module.iter().cloned());
            let base = match token.text {
                "crate" => Vec::new(),
                "self" => here,
                "super" => {
                    here.pop();
                    here
                }
                name if foreign.contains(&name) => vec![name.to_owned()],
                _ => continue,
            };
            let mut found = Vec::new();
            self.tree(i + 2, base, &mut found);
            paths.extend(found.into_iter().map(|segments| Path {
                segments,
                line: token.line,
                in_tests: self.in_tests(token),
            }));
        }
        paths
    }

    /// Reads `a::{b, c::d}` from token `i` on, behind `path`; the first token after it.
    fn tree(&self, mut i: usize, mut path: Vec<String>, found: &mut Vec<Vec<String>>) -> usize {
        loop {
            match self.text(i) {
                "{" => {
                    i += 1;
                    while !matches!(self.text(i), "}" | "") {
                        let after = self.tree(i, path.clone(), found);
                        i = after.max(i + 1);
                        i += usize::from(self.text(i) == ",");
                    }
                    return i + 1;
                }
                "super" => {
                    path.pop();
                }
                "self" => {}
                name => path.push(name.to_owned()),
            }
            i += 1;
            let goes_on = self.text(i) == "::" && self.text(i + 1) != "<";
            if !goes_on {
                if self.text(i) == "as" {
                    i += 2;
                }
                found.push(path);
                return i;
            }
            i += 1;
        }
    }
}

fn lex(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = text;
    let mut line = 1;
    while let Some(first) = rest.chars().next() {
        let (length, is_code) = next(rest, first);
        let token = &rest[..length];
        if is_code {
            tokens.push(Token {
                text: token,
                line,
                scope: 0,
            });
        }
        line += token.matches('\n').count();
        rest = &rest[length..];
    }
    tokens
}

/// Length of the first token of `rest`, and whether it is more than space, comment or literal.
fn next(rest: &str, first: char) -> (usize, bool) {
    if rest.starts_with("//") {
        return (rest.find('\n').unwrap_or(rest.len()), false);
    }
    if rest.starts_with("/*") {
        return (rest.find("*/").map_or(rest.len(), |end| end + 2), false);
    }
    if let Some(length) = raw_string(rest) {
        return (length, false);
    }
    if first == '"' {
        return (quoted(rest, '"'), false);
    }
    if first == '\'' {
        let mut inside = rest[1..].chars();
        let (one, two) = (inside.next(), inside.next());
        let is_char = one == Some('\\') || two == Some('\'');
        return if is_char {
            (quoted(rest, '\''), false)
        } else {
            (1, false)
        };
    }
    if first.is_alphabetic() || first == '_' {
        let end = rest.find(|c: char| !c.is_alphanumeric() && c != '_');
        return (end.unwrap_or(rest.len()), true);
    }
    if rest.starts_with("::") {
        return (2, true);
    }
    (first.len_utf8(), first.is_ascii_punctuation())
}

fn raw_string(rest: &str) -> Option<usize> {
    let body = rest.strip_prefix("br").or_else(|| rest.strip_prefix('r'))?;
    let hashes = body.len() - body.trim_start_matches('#').len();
    if !body[hashes..].starts_with('"') {
        return None;
    }
    let close = format!("\"{}", "#".repeat(hashes));
    let start = rest.len() - body.len() + hashes + 1;
    let end = rest[start..].find(&close)?;
    Some(start + end + close.len())
}

/// Length of a literal in `quote`s, escapes minded.
fn quoted(rest: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segments(text: &str) -> Vec<String> {
        let module = ["a".to_owned(), "b".to_owned()];
        let code = Code::new(text);
        let paths = code.paths(&module, &["std"]);
        paths.iter().map(|path| path.segments.join("::")).collect()
    }

    #[test]
    fn paths_are_told_from_the_root() {
        let seen = segments("use crate::{x::{self, Y as Z}, w}; use super::v::*; use std::env;");
        assert_eq!(seen, ["x", "x::Y", "w", "a::v::*", "std::env"]);
        assert_eq!(segments("fn f() { crate::x::g::<u8>() }"), ["x::g"]);
        assert_eq!(segments("mod t { use super::*; }"), ["a::b::*"]);
        assert_eq!(segments("mod t { use super::super::c; }"), ["a::c"]);
    }

    #[test]
    fn comments_and_literals_are_no_code() {
        let text = "// crate::x\n/* crate::x */ \"crate::x\" r#\"crate::\"x\"# '\"' 'a' crate::y";
        assert_eq!(segments(text), ["y"]);
    }

    #[test]
    fn what_only_tests_see_is_known() {
        let text = "fn a() { x } #[cfg(test)] mod f; #[cfg(test)] mod t { fn b() { y } } z";
        let code = Code::new(text);
        let seen: Vec<(&str, bool)> = code
            .tokens
            .iter()
            .filter(|token| ["x", "y", "z"].contains(&token.text))
            .map(|token| (token.text, code.in_tests(token)))
            .collect();
        assert_eq!(seen, [("x", false), ("y", true), ("z", false)]);
        assert_eq!(code.test_modules, ["f"]);
    }
}
