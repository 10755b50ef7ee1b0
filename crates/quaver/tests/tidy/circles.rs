//! Files that import each other, directly or through others. What a `mod.rs` takes from the files
//! under it, to list and to pass on, is no import here: it belongs to them.

use crate::layers::module_of;
use crate::rust::Code;
use crate::tree;
use std::collections::{BTreeMap, BTreeSet};

type Module = Vec<String>;

/// The files of one crate, by module.
struct Crate(BTreeMap<Module, String>);

impl Crate {
    /// The module whose file has what `path` names: names that a `mod.rs` passes on are looked up
    /// in the files under it.
    fn home(&self, path: &[String]) -> Option<Module> {
        let depth = (0..=path.len())
            .rev()
            .find(|n| self.0.contains_key(&path[..*n]))?;
        let (module, rest) = path.split_at(depth);
        let Some(name) = rest.first() else {
            return Some(module.to_vec());
        };
        let under = self
            .0
            .keys()
            .filter(|other| other.len() == depth + 1 && other.starts_with(module));
        let under: Vec<&str> = under.map(|other| other[depth].as_str()).collect();
        let passed_on = Code::new(&self.0[module]).paths(module, &under);
        let passed_on = passed_on.into_iter().find(|path| {
            under.contains(&path.segments[0].as_str()) && path.segments.last() == Some(name)
        });
        match passed_on {
            Some(path) => self.home(&[module, &path.segments].concat()),
            None => Some(module.to_vec()),
        }
    }

    /// By module, the modules it imports.
    fn imports(&self) -> BTreeMap<&Module, BTreeSet<Module>> {
        let imports = self.0.iter().map(|(module, text)| {
            let paths = Code::new(text).paths(module, &[]);
            let paths = paths.iter().filter(|path| !path.in_tests);
            let homes = paths.filter_map(|path| self.home(&path.segments));
            (module, homes.filter(|home| home != module).collect())
        });
        imports.collect()
    }
}

/// All that can be reached from each module.
fn reached(imports: &BTreeMap<&Module, BTreeSet<Module>>) -> BTreeMap<Module, BTreeSet<Module>> {
    let from = |start: &Module| {
        let mut seen = BTreeSet::new();
        let mut open = vec![start.clone()];
        while let Some(module) = open.pop() {
            let next = imports.get(&module).into_iter().flatten();
            open.extend(next.filter(|next| seen.insert((*next).clone())).cloned());
        }
        (start.clone(), seen)
    };
    imports.keys().map(|module| from(module)).collect()
}

fn circles(files: &Crate) -> Vec<String> {
    let reached = reached(&files.imports());
    let name = |module: &Module| format!("crate::{}", module.join("::"));
    let circle = |(module, seen): (&Module, &BTreeSet<Module>)| {
        let around = seen
            .iter()
            .filter(|other| reached.get(*other).is_some_and(|s| s.contains(module)));
        let around: Vec<String> = around.map(name).collect();
        (around.len() > 1).then(|| around.join(", "))
    };
    let circles: BTreeSet<String> = reached.iter().filter_map(circle).collect();
    circles.into_iter().collect()
}

pub(crate) fn problems() -> Vec<String> {
    let mut crates: BTreeMap<String, Crate> = BTreeMap::new();
    for file in tree::rust() {
        let Some((name, inner)) = file.path.split_once("/src/") else {
            continue;
        };
        let files = crates
            .entry(name.to_owned())
            .or_insert_with(|| Crate(BTreeMap::new()));
        files.0.insert(module_of(inner), file.text);
    }
    let problems = crates.iter().flat_map(|(name, files)| {
        let circles = circles(files).into_iter();
        circles.map(move |circle| format!("{name}: {circle}"))
    });
    problems.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_in_a_circle_are_found() {
        let file = |module: &[&str], text: &str| {
            let module = module.iter().map(|name| (*name).to_owned()).collect();
            (module, text.to_owned())
        };
        let files = [
            file(&[], "mod a; mod b; mod c;"),
            file(&["a"], "mod x; mod y; pub use x::X; trait T {}"),
            file(&["a", "x"], "use super::T; use super::y::Y;"),
            file(&["a", "y"], "use crate::b::B;"),
            file(
                &["b"],
                "use crate::a::X; #[cfg(test)] mod tests { use crate::c::C; }",
            ),
            file(&["c"], "use crate::b::B;"),
        ];
        let found = circles(&Crate(files.into_iter().collect()));
        assert_eq!(found, ["crate::a::x, crate::a::y, crate::b"]);
    }
}
