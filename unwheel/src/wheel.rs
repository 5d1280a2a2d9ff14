//! One wheel as a list of files to install.

use std::collections::BTreeMap;
use std::path::Path;

use crate::archive::{Archive, Member};
use crate::body::{Body, Content};
use crate::entry_points::{self, Target};
use crate::error::{Error, Problem};
use crate::layout::Layout;
use crate::names::{WheelName, normalize};
use crate::record::{self, Digest, Line};
use crate::{INSTALLER, launcher};

/// Largest metadata file that is read into memory, in bytes. RECORD of the largest wheels is about 2 MB.
const MAX_METADATA: u64 = 64 << 20;

/// A wheel whose archive, metadata and file list are in order. Contents are verified when they are streamed.
#[derive(Debug)]
pub struct Wheel {
    /// The wheel's file name.
    pub file_name: String,
    /// Normalised name of the distribution.
    pub name: String,
    /// Version as its metadata spells it.
    pub version: String,
    /// Everything to install, sorted by path.
    pub files: Vec<PlannedFile>,
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
        let mut planner = Planner::new(&file_name, name, &archive, layout)?;
        planner.plan();
        let Planner {
            name,
            version,
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
            name: name.name,
            version,
            files,
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
                Some(digest) => self.archive.read_verified(*member, digest, &mut |_| Ok(())),
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
    name: WheelName,
    version: String,
    /// `NAME-VERSION.dist-info`
    dist_info: String,
    /// `NAME-VERSION.data/`
    data: String,
    record: BTreeMap<String, Line>,
    commands: BTreeMap<String, Target>,
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
    /// Reads and checks the metadata.
    fn new(
        wheel: &'a str,
        name: WheelName,
        archive: &'a Archive,
        layout: &'a Layout,
    ) -> Result<Self, Vec<Error>> {
        let whole = |problem: Problem| vec![problem.in_wheel(wheel)];
        let dist_info = find_dist_info(archive).map_err(whole)?;
        let read = |file: &str| {
            let entry = format!("{dist_info}/{file}");
            let member = archive
                .find(&entry)
                .ok_or_else(|| whole(Problem::Missing(entry.clone())))?;
            let bytes = archive.read_all(member, MAX_METADATA);
            bytes.map_err(|p| vec![p.in_entry(wheel, &entry)])
        };
        let at = |file: &str| {
            let entry = format!("{dist_info}/{file}");
            move |problem: Problem| vec![problem.in_entry(wheel, &entry)]
        };
        check_wheel_version(&read("WHEEL")?).map_err(at("WHEEL"))?;
        let metadata = read("METADATA")?;
        let version = check_identity(&name, &dist_info, &metadata).map_err(at("METADATA"))?;
        let record = read_record(read("RECORD")?).map_err(at("RECORD"))?;
        let commands = match archive.find(&format!("{dist_info}/entry_points.txt")) {
            Some(_) => utf8(read("entry_points.txt")?)
                .and_then(|text| entry_points::parse(&text, layout.python()))
                .map_err(at("entry_points.txt"))?,
            None => BTreeMap::new(),
        };
        let data = format!("{}.data/", dist_info.trim_end_matches(".dist-info"));
        Ok(Self {
            wheel,
            archive,
            layout,
            name,
            version,
            dist_info,
            data,
            record,
            commands,
            lines: Vec::new(),
            files: BTreeMap::new(),
            unused: Vec::new(),
            errors: Vec::new(),
        })
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
        let installer = format!("{}/INSTALLER", self.dist_info);
        self.add_generated(&installer, INSTALLER.as_bytes().to_vec());
        self.add_record();
    }

    fn plan_member(&mut self, member: usize) -> Result<(), Problem> {
        let name = self.archive.members[member].name.clone();
        if let Some(file) = name
            .strip_prefix(self.dist_info.as_str())
            .and_then(|rest| rest.strip_prefix('/'))
        {
            // The list cannot hold its own hash, and its signatures hold for the list as it was.
            if matches!(file, "RECORD" | "RECORD.jws" | "RECORD.p7s") {
                self.unused.push((member, None));
                return Ok(());
            }
        }
        let Some(mut line) = self.record.get(&name).cloned() else {
            return Err(Problem::Record("not listed in RECORD".to_owned()));
        };
        let Some(hash) = &line.hash else {
            return Err(Problem::Record("listed in RECORD without a hash".to_owned()));
        };
        let digest = Digest::parse(hash)?;
        if name == format!("{}/INSTALLER", self.dist_info) {
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
            "headers" => format!("{}/{rest}", self.layout.headers(&self.name.name)),
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
        if self.commands.contains_key(command) {
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
            || in_bin.is_some_and(entry_points::is_reserved)
        {
            return Err(Problem::Reserved(inside.to_owned()));
        }
        Ok(())
    }

    /// `RECORD` may list nothing the archive does not have. Directories, which some tools list, are no files.
    fn check_record_is_satisfied(&mut self) {
        for (name, line) in &self.record {
            if self.archive.find(name).is_none() && !line.path.ends_with('/') {
                let problem = Problem::Record("listed in RECORD, but not in the archive".to_owned());
                self.errors.push(problem.in_entry(self.wheel, &line.path));
            }
        }
    }

    fn add_wrappers(&mut self) {
        let interpreter = self.layout.interpreter();
        for (command, target) in &self.commands {
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

    /// Adds a file of ours in `site-packages`, with its line.
    fn add_generated(&mut self, name: &str, bytes: Vec<u8>) {
        let digest = Digest::of(&bytes);
        let line = Line {
            path: name.to_owned(),
            hash: Some(digest.to_string()),
            size: Some(bytes.len() as u64),
        };
        self.lines.push(line);
        self.insert_generated(name, bytes, digest);
    }

    fn add_record(&mut self) {
        let name = format!("{}/RECORD", self.dist_info);
        self.lines.push(Line {
            path: name.clone(),
            hash: None,
            size: None,
        });
        let bytes = record::write(std::mem::take(&mut self.lines)).into_bytes();
        let digest = Digest::of(&bytes);
        self.insert_generated(&name, bytes, digest);
    }

    fn insert_generated(&mut self, name: &str, bytes: Vec<u8>, digest: Digest) {
        let path = format!("{}/{name}", self.layout.site_packages());
        let size = bytes.len() as u64;
        let content = Content::Bytes(bytes);
        self.files.insert(
            path.clone(),
            PlannedFile {
                path,
                executable: false,
                size,
                digest,
                content,
            },
        );
    }
}

/// Finds the one top-level `*.dist-info` directory.
fn find_dist_info(archive: &Archive) -> Result<String, Problem> {
    let mut found: Vec<&str> = archive
        .members
        .iter()
        .filter_map(|member| member.name.split_once('/'))
        .map(|(top, _)| top)
        .filter(|top| top.ends_with(".dist-info"))
        .collect();
    found.dedup();
    match found.as_slice() {
        [] => Err(Problem::Missing("*.dist-info".to_owned())),
        [one] => Ok((*one).to_owned()),
        many => Err(Problem::Metadata(format!(
            "more than one .dist-info directory: `{}`",
            many.join("`, `").escape_debug()
        ))),
    }
}

fn utf8(bytes: Vec<u8>) -> Result<String, Problem> {
    String::from_utf8(bytes).map_err(|_| Problem::Metadata("not UTF-8".to_owned()))
}

fn check_wheel_version(wheel: &[u8]) -> Result<(), Problem> {
    let version =
        header(wheel, "Wheel-Version").ok_or_else(|| Problem::Metadata("no `Wheel-Version`".to_owned()))?;
    match version.split_once('.') {
        Some(("1", _)) => Ok(()),
        _ => Err(Problem::Metadata(format!(
            "wheel version `{}` is not supported; expected 1.x",
            version.escape_debug()
        ))),
    }
}

/// Compares the three places that name the distribution and returns the metadata's version.
fn check_identity(name: &WheelName, dist_info: &str, metadata: &[u8]) -> Result<String, Problem> {
    let field =
        |field: &str| header(metadata, field).ok_or_else(|| Problem::Metadata(format!("no `{field}`")));
    let (meta_name, meta_version) = (field("Name")?, field("Version")?);
    let stem = dist_info.trim_end_matches(".dist-info");
    let (dir_name, dir_version) = stem.rsplit_once('-').unwrap_or((stem, ""));
    for (what, found) in [
        ("the metadata's name", meta_name.as_str()),
        ("the .dist-info directory's name", dir_name),
    ] {
        if normalize(found) != name.name {
            return Err(Problem::Mismatch {
                what,
                found: found.to_owned(),
                expected: name.name.clone(),
            });
        }
    }
    for (what, found) in [
        ("the metadata's version", meta_version.as_str()),
        ("the .dist-info directory's version", dir_version),
    ] {
        if !name.has_version(found) {
            return Err(Problem::Mismatch {
                what,
                found: found.to_owned(),
                expected: name.version.clone(),
            });
        }
    }
    Ok(meta_version)
}

/// Finds a field in the header of an e-mail-like message, its first line only.
fn header(message: &[u8], field: &str) -> Option<String> {
    let text = String::from_utf8_lossy(message);
    text.lines()
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case(field))
        .map(|(_, value)| value.trim().to_owned())
}

/// Reads the list and keys it by normalised path, as the archive's members are.
fn read_record(bytes: Vec<u8>) -> Result<BTreeMap<String, Line>, Problem> {
    let mut record: BTreeMap<String, Line> = BTreeMap::new();
    for line in record::parse(&utf8(bytes)?)? {
        let name = crate::entry_name::normal(line.path.as_bytes())
            .map_err(|problem| Problem::Record(format!("line `{}`: {problem}", line.path.escape_debug())))?;
        if let Some(first) = record.get(&name)
            && (&first.hash, first.size) != (&line.hash, line.size)
        {
            return Err(Problem::Record(format!(
                "`{}` is listed twice, differently",
                name.escape_debug()
            )));
        }
        record.entry(name).or_insert(line);
    }
    Ok(record)
}
