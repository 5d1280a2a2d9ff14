//! One wheel as a list of files to install.

use std::collections::BTreeMap;
use std::path::Path;

use crate::archive::{Archive, Member};
use crate::body::{Body, Content};
use crate::entry_points;
use crate::error::{Error, Problem};
use crate::layout::Layout;
use crate::metadata::Metadata;
use crate::names::WheelName;
use crate::record::{self, Algorithm, Digest, Hasher, Line};
use crate::{INSTALLER, launcher};

/// A wheel whose archive, metadata and file list are in order. Contents are verified when they are streamed.
#[derive(Debug)]
pub struct Wheel {
    /// The wheel's file name.
    pub file_name: String,
    /// Normalised name of the distribution.
    pub name: String,
    /// Version as its metadata spells it.
    pub version: String,
    /// What it needs, as its metadata spells it (PEP 508).
    pub requires: Vec<String>,
    /// Its licence, as far as its metadata says it in a few words.
    pub license: Option<String>,
    /// Everything to install, sorted by path.
    pub files: Vec<PlannedFile>,
    /// Its own directory of metadata, relative to the root.
    dist_info: String,
    archive: Archive,
    /// Members that are not installed as they are, to be checked all the same, with what is known of them.
    unused: Vec<(usize, Option<Digest>)>,
}

/// One file to install.
#[derive(Debug)]
pub struct PlannedFile {
    /// Path relative to the root, with forward slashes.
    pub path: String,
    /// Whether its mode is 0755 instead of 0644.
    pub executable: bool,
    /// Bytes it will have.
    pub size: u64,
    pub(crate) digest: Digest,
    content: Content,
}

impl Wheel {
    /// Opens a wheel and plans its installation; nothing is written. All problems that can be seen without
    /// unpacking are reported together.
    pub fn open(path: &Path, layout: &Layout) -> Result<Self, Vec<Error>> {
        let file_name = match path.file_name() {
            Some(name) => name.to_string_lossy().into_owned(),
            None => path.to_string_lossy().into_owned(),
        };
        let name = WheelName::parse(path).map_err(|p| vec![p.in_wheel(&file_name)])?;
        let archive = Archive::open(path, &file_name)?;
        let metadata = Metadata::read(&file_name, &name, &archive, layout.python())?;
        let mut planner = Planner::new(&file_name, &archive, layout, metadata);
        planner.plan();
        let Planner {
            metadata:
                Metadata {
                    dist_info,
                    name,
                    version,
                    requires,
                    license,
                    ..
                },
            files,
            unused,
            errors,
            ..
        } = planner;
        if !errors.is_empty() {
            return Err(errors);
        }
        let files = files.into_values().collect();
        Ok(Self {
            file_name,
            name,
            version,
            requires,
            license,
            files,
            dist_info: format!("{}/{dist_info}/", layout.site_packages()),
            archive,
            unused,
        })
    }

    /// The contents of a file of this wheel.
    pub fn body<'a>(&'a self, file: &'a PlannedFile) -> Body<'a> {
        Body {
            archive: &self.archive,
            content: &file.content,
        }
    }

    /// Whether a path is in its own directory of metadata.
    pub(crate) fn is_own(&self, path: &str) -> bool {
        path.starts_with(&self.dist_info)
    }

    /// Names the entry a file comes from, for messages.
    pub(crate) fn entry_of(&self, file: &PlannedFile) -> String {
        match &file.content {
            Content::Bytes(_) => file.path.clone(),
            Content::Member { member, .. } | Content::Script { member, .. } => {
                self.archive.members[*member].name.clone()
            }
        }
    }

    /// Checks members that no planned file streams.
    pub(crate) fn verify_unused(&self) -> Vec<Error> {
        let verify = |(member, digest): &(usize, Option<Digest>)| {
            let result = match digest {
                Some(digest) => {
                    self.archive
                        .read_verified(*member, digest, None, &mut |_| Ok(()), &mut |_| Ok(()))
                }
                None => self.archive.read(*member, &mut |_| Ok(())),
            };
            result
                .err()
                .map(|p| p.in_entry(&self.file_name, &self.archive.members[*member].name))
        };
        self.unused.iter().filter_map(verify).collect()
    }
}

/// Collects the plan of one wheel.
struct Planner<'a> {
    wheel: &'a str,
    archive: &'a Archive,
    layout: &'a Layout,
    metadata: Metadata,
    /// `NAME-VERSION.data/`
    data: String,
    lines: Vec<Line>,
    files: BTreeMap<String, PlannedFile>,
    unused: Vec<(usize, Option<Digest>)>,
    errors: Vec<Error>,
}

/// Where a member goes.
enum Destination {
    /// To a path under the root, unchanged.
    Path(String),
    /// Into `bin`, perhaps with another first line.
    Script(String),
    /// Nowhere: an entry point of that name takes its place.
    Shadowed,
}

impl<'a> Planner<'a> {
    fn new(wheel: &'a str, archive: &'a Archive, layout: &'a Layout, metadata: Metadata) -> Self {
        let data = format!("{}.data/", metadata.dist_info.trim_end_matches(".dist-info"));
        Self {
            wheel,
            archive,
            layout,
            metadata,
            data,
            lines: Vec::new(),
            files: BTreeMap::new(),
            unused: Vec::new(),
            errors: Vec::new(),
        }
    }

    fn plan(&mut self) {
        for member in 0..self.archive.members.len() {
            if let Err(problem) = self.plan_member(member) {
                self.errors
                    .push(problem.in_entry(self.wheel, &self.archive.members[member].name));
            }
        }
        self.check_record_is_satisfied();
        self.add_wrappers();
        self.add_installer();
        self.add_record();
    }

    fn plan_member(&mut self, member: usize) -> Result<(), Problem> {
        let name = self.archive.members[member].name.clone();
        let listed = self.metadata.record.contains_key(&name);
        match name.strip_prefix(self.metadata.dist_info.as_str()) {
            // The list cannot hold its own hash; what is installed in its place is made later.
            Some("/RECORD") => {
                self.unused.push((member, None));
                return Ok(());
            }
            Some("/RECORD.jws" | "/RECORD.p7s") if !listed => return self.plan_signature(member),
            _ => {}
        }
        let Some(mut line) = self.metadata.record.get(&name).cloned() else {
            return Err(Problem::Record("not listed in RECORD".to_owned()));
        };
        let Some(hash) = &line.hash else {
            return Err(Problem::Record("listed in RECORD without a hash".to_owned()));
        };
        let digest = Digest::parse(hash)?;
        if name == format!("{}/INSTALLER", self.metadata.dist_info) {
            self.unused.push((member, Some(digest)));
            return Ok(());
        }
        match self.destination(&name)? {
            Destination::Shadowed => self.unused.push((member, Some(digest))),
            Destination::Path(path) => {
                if path != format!("{}/{name}", self.layout.site_packages()) {
                    line.path = self.layout.record_path(&path);
                }
                let Member { executable, size, .. } = self.archive.members[member];
                let content = Content::Member {
                    member,
                    digest: digest.clone(),
                };
                self.add(PlannedFile {
                    path,
                    executable,
                    size,
                    digest,
                    content,
                })?;
            }
            Destination::Script(path) => {
                let script = launcher::script(self.archive, member, &digest, &self.layout.interpreter())?;
                line.path = self.layout.record_path(&path);
                if script.rewritten {
                    line.hash = Some(script.digest.to_string());
                    line.size = Some(script.size);
                }
                let launcher::Script {
                    content,
                    size,
                    digest,
                    ..
                } = script;
                self.add(PlannedFile {
                    path,
                    executable: true,
                    size,
                    digest,
                    content,
                })?;
            }
        }
        self.lines.push(line);
        Ok(())
    }

    /// A signature of the list as the wheel had it, not listed in it. It is of no use once the list is rewritten, but
    /// uv and pip install it.
    fn plan_signature(&mut self, member: usize) -> Result<(), Problem> {
        let Member {
            ref name,
            executable,
            size,
            ..
        } = self.archive.members[member];
        let mut hasher = Hasher::new(Algorithm::Sha256);
        self.archive.read(member, &mut |chunk| {
            hasher.update(chunk);
            Ok(())
        })?;
        let digest = hasher.finish();
        let path = format!("{}/{name}", self.layout.site_packages());
        let content = Content::Member {
            member,
            digest: digest.clone(),
        };
        self.add(PlannedFile {
            path,
            executable,
            size,
            digest,
            content,
        })
    }

    /// Spreads the `.data` directory; everything else goes to `site-packages`.
    fn destination(&self, name: &str) -> Result<Destination, Problem> {
        let Some(rest) = name.strip_prefix(self.data.as_str()) else {
            return Ok(Destination::Path(format!(
                "{}/{name}",
                self.layout.site_packages()
            )));
        };
        let Some((scheme, rest)) = rest.split_once('/') else {
            return Err(Problem::Metadata(
                "a file where `.data` has directories only".to_owned(),
            ));
        };
        let path = match scheme {
            "purelib" | "platlib" => format!("{}/{rest}", self.layout.site_packages()),
            "headers" => format!("{}/{rest}", self.layout.headers(&self.metadata.name)),
            "data" => format!("{}/{rest}", self.layout.venv()),
            "scripts" => format!("{}/{rest}", self.layout.scripts()),
            other => {
                return Err(Problem::Metadata(format!(
                    "unknown scheme `{}`; expected purelib, platlib, headers, scripts or data",
                    other.escape_debug()
                )));
            }
        };
        self.check_not_the_venvs_own(&path)?;
        if scheme != "scripts" {
            return Ok(Destination::Path(path));
        }
        if rest.contains('/') {
            return Err(Problem::Metadata("a directory inside of `scripts`".to_owned()));
        }
        // Old build tools ship the wrapper of an entry point as a script as well.
        let command = [".exe", "-script.py", ".pya"]
            .iter()
            .find_map(|end| rest.strip_suffix(end))
            .unwrap_or(rest);
        if self.metadata.commands.contains_key(command) {
            return Ok(Destination::Shadowed);
        }
        Ok(Destination::Script(path))
    }

    fn check_not_the_venvs_own(&self, path: &str) -> Result<(), Problem> {
        let inside = path
            .strip_prefix(self.layout.venv())
            .and_then(|rest| rest.strip_prefix('/'))
            .unwrap_or(path);
        let in_bin = inside.strip_prefix("bin/").filter(|name| !name.contains('/'));
        if matches!(inside, "pyvenv.cfg" | "bin" | "lib" | "lib64" | "include")
            || in_bin.is_some_and(|name| entry_points::is_reserved(name.strip_suffix(".exe").unwrap_or(name)))
        {
            return Err(Problem::Reserved(inside.to_owned()));
        }
        Ok(())
    }

    /// `RECORD` may list nothing the archive does not have. Directories, which some tools list, are no files.
    fn check_record_is_satisfied(&mut self) {
        for (name, line) in &self.metadata.record {
            if self.archive.find(name).is_none() && !line.path.ends_with('/') {
                let problem = Problem::Record("listed in RECORD, but not in the archive".to_owned());
                self.errors.push(problem.in_entry(self.wheel, &line.path));
            }
        }
    }

    fn add_wrappers(&mut self) {
        let interpreter = self.layout.interpreter();
        for (command, target) in &self.metadata.commands {
            let path = format!("{}/{command}", self.layout.scripts());
            let bytes = launcher::wrapper(target, &interpreter).into_bytes();
            let digest = Digest::of(&bytes);
            let size = bytes.len() as u64;
            self.lines.push(Line {
                path: self.layout.record_path(&path),
                hash: Some(digest.to_string()),
                size: Some(size),
            });
            let content = Content::Bytes(bytes);
            let file = PlannedFile {
                path,
                executable: true,
                size,
                digest,
                content,
            };
            if let Some(other) = self.files.insert(file.path.clone(), file) {
                let problem = Problem::Duplicate(format!("the script of entry point {command}"));
                self.errors.push(problem.in_entry(self.wheel, &other.path));
            }
        }
    }

    fn add(&mut self, file: PlannedFile) -> Result<(), Problem> {
        if let Some(other) = self.files.get(&file.path) {
            return Err(Problem::Duplicate(other.path.clone()));
        }
        self.files.insert(file.path.clone(), file);
        Ok(())
    }

    fn add_installer(&mut self) {
        let name = format!("{}/INSTALLER", self.metadata.dist_info);
        let digest = Digest::of(INSTALLER.as_bytes());
        let size = Some(INSTALLER.len() as u64);
        self.lines.push(Line {
            path: name.clone(),
            hash: Some(digest.to_string()),
            size,
        });
        self.insert_generated(&name, INSTALLER.as_bytes().to_vec(), false);
    }

    /// Adds the list of all files. It keeps the mode of the wheel's own, as uv does by writing into that file.
    fn add_record(&mut self) {
        let name = format!("{}/RECORD", self.metadata.dist_info);
        self.lines.push(Line {
            path: name.clone(),
            hash: None,
            size: None,
        });
        let bytes = record::write(std::mem::take(&mut self.lines)).into_bytes();
        let executable = self
            .archive
            .find(&name)
            .is_some_and(|member| self.archive.members[member].executable);
        self.insert_generated(&name, bytes, executable);
    }

    fn insert_generated(&mut self, name: &str, bytes: Vec<u8>, executable: bool) {
        let path = format!("{}/{name}", self.layout.site_packages());
        let digest = Digest::of(&bytes);
        let size = bytes.len() as u64;
        let content = Content::Bytes(bytes);
        self.files.insert(
            path.clone(),
            PlannedFile {
                path,
                executable,
                size,
                digest,
                content,
            },
        );
    }
}
