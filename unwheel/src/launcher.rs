//! The scripts in `bin`: wrappers for entry points, and the first line that names the interpreter.

use crate::archive::Archive;
use crate::body::Content;
use crate::entry_points::Target;
use crate::error::Problem;
use crate::record::{Algorithm, Digest, Hasher};

/// Longest first line that every kernel in use honours in full, with `#!` and the line feed.
const MAX_SHEBANG: usize = 127;
/// What a wheel's script says in place of an interpreter; `#!pythonw` is covered by it.
const PLACEHOLDER: &[u8] = b"#!python";
/// No real script has a longer first line.
const MAX_FIRST_LINE: usize = 64 << 10;

/// Returns the first line of a script, without line end. A path that the kernel could not take goes through
/// `/bin/sh`, which executes a line that Python reads as a string.
pub(crate) fn shebang(interpreter: &str) -> String {
    if interpreter.len() + "#!\n".len() > MAX_SHEBANG || interpreter.contains(' ') {
        let quoted = interpreter.replace('\'', r#"'"'"'"#);
        format!("#!/bin/sh\n'''exec' '{quoted}' \"$0\" \"$@\"\n' '''")
    } else {
        format!("#!{interpreter}")
    }
}

/// Returns the wrapper of an entry point. Its text is the one uv writes; the ends of `sys.argv[0]` it cuts off
/// only occur on Windows.
pub(crate) fn wrapper(target: &Target, interpreter: &str) -> String {
    let Target { module, attribute } = target;
    let import = attribute.split('.').next().unwrap_or(attribute);
    let lines = [
        shebang(interpreter),
        "# -*- coding: utf-8 -*-".to_owned(),
        "import sys".to_owned(),
        format!("from {module} import {import}"),
        "if __name__ == \"__main__\":".to_owned(),
        "    if sys.argv[0].endswith(\"-script.pyw\"):".to_owned(),
        "        sys.argv[0] = sys.argv[0][:-11]".to_owned(),
        "    elif sys.argv[0].endswith(\".exe\"):".to_owned(),
        "        sys.argv[0] = sys.argv[0][:-4]".to_owned(),
        format!("    sys.exit({attribute}())"),
    ];
    lines.join("\n") + "\n"
}

/// A script of the `scripts` scheme, with its first line rewritten if it asks for that.
pub(crate) struct Script {
    pub(crate) content: Content,
    pub(crate) size: u64,
    pub(crate) digest: Digest,
    /// Whether size and digest differ from the wheel's.
    pub(crate) rewritten: bool,
}

/// Looks at a script and, if its first line starts with `#!python`, plans to replace that line. The script is
/// streamed, since compiled programs are shipped as scripts too.
pub(crate) fn script(
    archive: &Archive,
    member: usize,
    digest: &Digest,
    interpreter: &str,
) -> Result<Script, Problem> {
    let first_line = format!("{}\n", shebang(interpreter)).into_bytes();
    let mut hasher = Hasher::new(Algorithm::Sha256);
    hasher.update(&first_line);
    let mut head = Head::Collecting(Vec::new());
    let mut skip = 0u64;
    archive.read(member, &mut |chunk| {
        match &mut head {
            Head::Plain => {}
            Head::Replaced => hasher.update(chunk),
            Head::Collecting(line) => {
                line.extend_from_slice(chunk);
                let known = line.len().min(PLACEHOLDER.len());
                if line[..known] != PLACEHOLDER[..known] {
                    head = Head::Plain;
                } else if let Some(end) = line_end(line) {
                    skip = end as u64;
                    hasher.update(&line[end..]);
                    head = Head::Replaced;
                } else if line.len() > MAX_FIRST_LINE {
                    return Err(Problem::Metadata(
                        "first line of the script has no end".to_owned(),
                    ));
                }
            }
        }
        Ok(())
    })?;
    let size = archive.members[member].size;
    let skip = match head {
        Head::Replaced => skip,
        // The whole file is one line without an end.
        Head::Collecting(line) if line.starts_with(PLACEHOLDER) => size,
        Head::Collecting(_) | Head::Plain => {
            let content = Content::Member {
                member,
                digest: digest.clone(),
            };
            return Ok(Script {
                content,
                size,
                digest: digest.clone(),
                rewritten: false,
            });
        }
    };
    let size = size - skip + first_line.len() as u64;
    let content = Content::Script {
        member,
        digest: digest.clone(),
        first_line,
        skip,
    };
    Ok(Script {
        content,
        size,
        digest: hasher.finish(),
        rewritten: true,
    })
}

/// Returns where the first line ends, its `\n`, `\r\n` or `\r` included, as far as that can be told by now.
fn line_end(text: &[u8]) -> Option<usize> {
    let end = text.iter().position(|b| matches!(b, b'\n' | b'\r'))?;
    match text[end..] {
        [b'\r'] => None,
        [b'\r', b'\n', ..] => Some(end + 2),
        _ => Some(end + 1),
    }
}

/// How far a script's first line is known.
enum Head {
    Collecting(Vec<u8>),
    Replaced,
    Plain,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn simple_and_wrapped_shebangs() {
        assert_eq!(shebang("/opt/venv/bin/python"), "#!/opt/venv/bin/python");
        assert_eq!(
            shebang("/opt/it's here/bin/python"),
            "#!/bin/sh\n'''exec' '/opt/it'\"'\"'s here/bin/python' \"$0\" \"$@\"\n' '''"
        );
        let longest = format!("/{}", "x".repeat(123));
        assert_eq!(shebang(&longest), format!("#!{longest}"));
        assert!(shebang(&format!("{longest}x")).starts_with("#!/bin/sh\n'''exec' '/xxx"));
    }

    #[test]
    fn line_ends() {
        for (text, end) in [
            ("a\nb", Some(2)),
            ("a\r\nb", Some(3)),
            ("a\rb", Some(2)),
            ("a\r", None),
            ("a", None),
        ] {
            assert_eq!(line_end(text.as_bytes()), end, "{text:?}");
        }
    }

    #[test]
    fn wrappers_import_the_first_part_and_call_the_whole() {
        let target = Target {
            module: "a.b".to_owned(),
            attribute: "Class.run".to_owned(),
        };
        let text = wrapper(&target, "/v/bin/python");
        assert!(
            text.starts_with("#!/v/bin/python\n# -*- coding: utf-8 -*-\nimport sys\nfrom a.b import Class\n")
        );
        assert!(text.ends_with("        sys.argv[0] = sys.argv[0][:-4]\n    sys.exit(Class.run())\n"));
    }
}
