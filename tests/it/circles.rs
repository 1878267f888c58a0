//! The files and folders of a folder do not import each other in a circle. The file that represents a folder (`mod.rs`,
//! or the file of the folder's name beside it) may use what is in the folder, and be used by it; an item that it
//! re-exports counts as belonging to the file that defines it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

type Module = Vec<String>;

/// The modules of a crate, with their code without comments and tests.
#[derive(Default)]
struct Crate {
    code: BTreeMap<Module, String>,
}

impl Crate {
    fn read(src: &Path) -> Self {
        let mut this = Self::default();
        this.read_folder(src, &Vec::new());
        this.without_tests()
    }

    fn read_folder(&mut self, folder: &Path, module: &Module) {
        for path in entries(folder) {
            let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
            let mut own = module.clone();
            if path.is_dir() {
                // This folder is another crate.
                if path.join("lib.rs").exists() {
                    continue;
                }
                own.push(stem);
                self.read_folder(&path, &own);
            } else if path.extension().is_some_and(|e| e == "rs") {
                if !["mod", "lib", "main"].contains(&stem.as_str()) {
                    own.push(stem);
                }
                self.add(own, &fs::read_to_string(&path).unwrap());
            }
        }
    }

    fn add(&mut self, module: Module, text: &str) {
        // Test modules are at the end of a file, or in files of their own.
        let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        self.code.entry(module).or_default().extend(code.flat_map(|line| [line, "\n"]));
    }

    /// Removes the modules that exist only in tests.
    fn without_tests(mut self) -> Self {
        let of_tests = self.code.iter().flat_map(|(module, code)| {
            let declared = code.split("#[cfg(test)]\n").skip(1).filter_map(|rest| rest.split_once("mod "));
            let names = declared.filter(|(scope, _)| scope.len() < 12).map(|(_, rest)| tree(rest).0.concat());
            names.map(|name| [module.clone(), name].concat()).collect::<Vec<_>>()
        });
        let of_tests: Vec<Module> = of_tests.collect();
        self.code.retain(|module, _| !of_tests.iter().any(|tests| module.starts_with(tests)));
        self
    }

    /// The module that defines what a path refers to.
    fn owner(&self, path: &[String]) -> Module {
        let known = |length: &usize| self.code.contains_key(&path[..*length]);
        let length = (0..=path.len()).rev().find(known).unwrap_or(0);
        let (module, rest) = path.split_at(length);
        let Some(item) = rest.first() else { return module.to_vec() };
        // A re-exported item belongs to another module.
        let exported = self.code.get(module).into_iter().flat_map(|code| exports(code));
        let own = exported.into_iter().find(|path| path.last() == Some(item) && path.len() > 1);
        own.map_or_else(|| module.to_vec(), |path| self.owner(&absolute(module, &path)))
    }

    /// The circles among the modules of each folder, in words.
    fn circles(&self) -> Vec<String> {
        let mut imports: BTreeMap<Module, BTreeMap<String, BTreeMap<String, String>>> = BTreeMap::new();
        for (module, code) in &self.code {
            for path in paths(code) {
                let owner = self.owner(&absolute(module, &path));
                let shared = module.iter().zip(&owner).take_while(|(a, b)| a == b).count();
                if let (Some(from), Some(to)) = (module.get(shared), owner.get(shared)) {
                    let told = format!("{} imports {}", module.join("/"), owner.join("/"));
                    let folder = imports.entry(module[..shared].to_vec()).or_default();
                    folder.entry(from.clone()).or_default().insert(to.clone(), told);
                }
            }
        }
        imports.values().flat_map(circles).collect()
    }
}

fn entries(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect()
}

/// The imports that are part of a circle.
fn circles(imports: &BTreeMap<String, BTreeMap<String, String>>) -> Vec<String> {
    let reached = |from: &String| {
        let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
        while let Some(one) = next.pop() {
            let new = imports.get(one).into_iter().flat_map(BTreeMap::keys).filter(|to| seen.insert((*to).clone()));
            next.extend(new);
        }
        seen
    };
    let edges = imports.iter().flat_map(|(from, to)| to.iter().map(move |(to, told)| (from, to, told)));
    edges.filter(|(from, to, _)| reached(to).contains(*from)).map(|(_, _, told)| told.clone()).collect()
}

/// A path relative to the crate's root.
fn absolute(module: &[String], path: &[String]) -> Module {
    let mut whole = module.to_vec();
    for part in path {
        match part.as_str() {
            "crate" => whole.clear(),
            "super" => drop(whole.pop()),
            "self" => {}
            part => whole.push(part.to_owned()),
        }
    }
    whole
}

/// The items that a file re-exports.
fn exports(code: &str) -> Vec<Module> {
    let uses =
        code.split("\npub").skip(1).filter_map(|text| text.split_once("use ").filter(|(scope, _)| scope.len() < 12));
    uses.flat_map(|(_, text)| tree(text).0).collect()
}

/// The paths in code that begin with `crate`, `super` or `self`.
fn paths(code: &str) -> Vec<Module> {
    let begins = |at: usize| {
        let before = code[..at].chars().next_back().unwrap_or(' ');
        let first = ["crate::", "super::", "self::"].iter().any(|word| code[at..].starts_with(word));
        first && !(before.is_alphanumeric() || before == '_' || before == ':')
    };
    code.char_indices().filter(|(at, _)| begins(*at)).flat_map(|(at, _)| tree(&code[at..]).0).collect()
}

/// The paths of a use tree such as `a::{b, c::D}` at the start of a text, and the text after it.
fn tree(text: &str) -> (Vec<Module>, &str) {
    let text = text.trim_start();
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(text.len());
    let (word, mut rest) = text.split_at(end);
    if let Some(list) = rest.strip_prefix("::{") {
        let mut found = Vec::new();
        rest = list;
        while !rest.trim_start().starts_with('}') && !rest.trim_start().is_empty() {
            let (inner, after) = tree(rest);
            found.extend(inner.into_iter().map(|path| [vec![word.to_owned()], path].concat()));
            rest = after.find([',', '}']).map_or("", |at| after[at..].strip_prefix(',').unwrap_or(&after[at..]));
        }
        return (found, rest.trim_start().strip_prefix('}').unwrap_or(rest));
    }
    match rest.strip_prefix("::").filter(|rest| rest.starts_with(|c: char| c.is_alphabetic() || c == '_')) {
        Some(after) => {
            let (inner, rest) = tree(after);
            (inner.into_iter().map(|path| [vec![word.to_owned()], path].concat()).collect(), rest)
        }
        None => (vec![vec![word.to_owned()]], rest),
    }
}

/// The folders of crates: those with a `lib.rs`.
fn crates(folder: &Path, found: &mut Vec<PathBuf>) {
    let inner = entries(folder);
    found.extend(inner.iter().any(|path| path.ends_with("lib.rs")).then(|| folder.to_owned()));
    inner.iter().filter(|path| path.is_dir() && !path.ends_with("target")).for_each(|path| crates(path, found));
}

#[test]
fn files_do_not_import_each_other_in_a_circle() {
    let mut folders = Vec::new();
    crates(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut folders);
    assert!(!folders.is_empty());
    for folder in folders {
        let found = Crate::read(&folder).circles();
        assert!(found.is_empty(), "{}:\n{}", folder.display(), found.join("\n"));
    }
}

#[test]
fn circles_are_found() {
    let code = |text: &str| text.to_owned();
    let module = |path: &str| path.split('/').filter(|part| !part.is_empty()).map(str::to_owned).collect::<Module>();
    let mut one = Crate::default();
    one.code.insert(module(""), code("mod a;\nmod b;\npub use b::{c::C};\n"));
    one.code.insert(module("a"), code("use super::{C, d};\n"));
    one.code.insert(module("b"), code("mod c;\n"));
    one.code.insert(module("b/c"), code("use crate::{d::{e, f}, g};\n"));
    assert_eq!(one.circles(), Vec::<String>::new());
    one.code.insert(module("b/c"), code("fn f() { crate::a::f(super::super::g) }\n"));
    assert_eq!(one.circles(), ["a imports b/c", "b/c imports a"]);
}
