//! Who may import whom. ARCHITECTURE.md says why.

use crate::rust::Code;
use crate::tree;

/// The crates and their modules, lowest level first. A file imports only lower levels.
struct Layers {
    name: &'static str,
    levels: &'static [&'static [&'static str]],
    /// Whether modules of one level may know each other.
    mutual: bool,
    /// Who may import what: `(what, by whom)`.
    reserved: &'static [(&'static str, &'static [&'static str])],
}

const CRATES: &[Layers] = &[
    Layers {
        name: "quaver",
        levels: &[
            &["atomic_file", "binomial", "observe", "rng", "spec"],
            &["decision", "threat"],
            &["classifier", "data"],
            &["attack", "network", "uncertainty"],
            &["feature", "suite", "wrap"],
            &["detect"],
            &["guard"],
            &["evaluate", "run", "training"],
            &["report"],
        ],
        mutual: false,
        reserved: &[
            // Everything else sees a model through `Classifier`.
            (
                "quaver_nn",
                &[
                    "classifier",
                    "decision",
                    "lib",
                    "network",
                    "run",
                    "training",
                    "wrap",
                ],
            ),
        ],
    },
    Layers {
        name: "quaver-paper",
        levels: &[
            &["results"],
            &["fixture", "published"],
            &["config", "rows"],
            &["measure"],
            &["claims"],
            &["assemble"],
            &["outline", "tables"],
            &["scenes"],
            &["documents", "page"],
            &["files"],
        ],
        mutual: false,
        // Only what trains knows the engine.
        reserved: &[("quaver_nn", &["config", "lib", "measure", "rows"])],
    },
    Layers {
        name: "quaver-nn",
        levels: &[
            &[
                "atomic_file",
                "batch",
                "kernel",
                "loss",
                "op_error",
                "parallel",
                "profile",
                "spec",
            ],
            &["engine", "noise", "optim"],
            &["bits", "quantizer"],
            &["op"],
            &["graph", "sparse_conv"],
            &["arch", "fused"],
            &["exact_sum", "signs"],
            &["model"],
            &["plan"],
            &["exec", "packed"],
            &["network"],
            &["train"],
            &["format"],
        ],
        mutual: false,
        // A plan knows no lanes, and a graph does not know how it is run.
        reserved: &[
            (
                "kernel",
                &[
                    "bits",
                    "engine",
                    "exact_sum",
                    "exec",
                    "fused",
                    "lib",
                    "network",
                    "noise",
                    "op",
                    "optim",
                    "packed",
                    "quantizer",
                    "sparse_conv",
                    "train",
                ],
            ),
            ("exec", &["lib", "network", "train"]),
        ],
    },
];

impl Layers {
    fn level(&self, module: &str) -> Option<usize> {
        self.levels.iter().position(|level| level.contains(&module))
    }

    fn problems(&self) -> Vec<String> {
        let source = format!("crates/{}/src/", self.name);
        let mut problems = Vec::new();
        for file in tree::rust() {
            let Some(inner) = file.path.strip_prefix(&source) else {
                continue;
            };
            let module = module_of(inner);
            let top = module.first().map_or("lib", String::as_str);
            if self.level(top).is_none() && top != "lib" {
                problems.push(format!(
                    "{}: {top} stands on no level; give it one in tests/tidy/layers.rs",
                    file.path
                ));
                continue;
            }
            for path in Code::new(&file.text).paths(&module, &["quaver_nn"]) {
                if let Some(reason) = self.refuses(top, &path.segments) {
                    problems.push(format!("{}:{}: {reason}", file.path, path.line));
                }
            }
        }
        problems
    }

    /// Why a file of `top` may not import `path`.
    fn refuses(&self, top: &str, path: &[String]) -> Option<String> {
        let what = path.first()?.as_str();
        let reserved = self.reserved.iter().find(|(name, _)| *name == what);
        if let Some((_, by)) = reserved
            && what != top
            && !by.contains(&top)
        {
            let by = by.join(", ");
            return Some(format!("{top} imports {what}, which only {by} may"));
        }
        let (own, other) = (self.level(top)?, self.level(what)?);
        let allowed = what == top || other < own || (self.mutual && other == own);
        (!allowed).then(|| {
            format!("{top} (level {own}) imports {what} (level {other}): only lower levels")
        })
    }
}

/// `attack/jsma/features.rs` -> `[attack, jsma, features]`; `lib.rs` -> `[]`.
pub(crate) fn module_of(inner: &str) -> Vec<String> {
    let stem = inner.trim_end_matches(".rs");
    let mut module: Vec<String> = stem.split('/').map(str::to_owned).collect();
    if matches!(module.last().map(String::as_str), Some("mod" | "lib")) {
        module.pop();
    }
    module
}

pub(crate) fn problems() -> Vec<String> {
    CRATES.iter().flat_map(Layers::problems).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn upward_and_sideways_imports_are_refused() {
        let refuses = |top: &str, path: &str| {
            let path: Vec<String> = path.split("::").map(str::to_owned).collect();
            CRATES[0].refuses(top, &path).is_some()
        };
        assert!(refuses("attack", "evaluate::interval"));
        assert!(refuses("attack", "uncertainty"));
        assert!(refuses("evaluate", "quaver_nn::model"));
        assert!(!refuses("evaluate", "attack::Attack"));
        assert!(!refuses("attack", "attack::oracle"));
        assert!(!refuses("network", "quaver_nn::model"));
    }

    #[test]
    fn files_name_their_modules() {
        assert_eq!(
            module_of("attack/jsma/features.rs").join("::"),
            "attack::jsma::features"
        );
        assert_eq!(module_of("attack/mod.rs").join("::"), "attack");
        assert!(module_of("lib.rs").is_empty());
    }
}
