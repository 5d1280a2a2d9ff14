//! The manifest as a user writes it, right and wrong.

use super::*;
use crate::diag::render_all;

fn mistakes(text: &str) -> String {
    match parse(&SourceFile::new("wheelwright.yaml", text)) {
        Ok((_, warnings)) => format!("ok, {} warnings", warnings.iter().count()),
        Err(mistakes) => render_all(&mistakes, false),
    }
}

fn read(text: &str) -> Manifest {
    parse(&SourceFile::new("wheelwright.yaml", text))
        .unwrap_or_else(|d| panic!("{}", render_all(&d, false)))
        .0
}

const SMALL: &str = "
name: voice
python: 3.10
bases:
  web: {image: 'python:3.10-slim', packages: [libopus0], environment: {A: '1', B: '2'}}
  ml: {extends: web, packages: ['...', libgomp1], environment: {B: '3'}}
defaults: {user: app, code: [common]}
services:
  stt:
    base: ml
    code: ['...', ./services/stt/]
    expose: [9000]
    healthcheck: {test: [python, check.py], interval: 10s, retries: 6}
    command: [python, -m, stt]
";

#[test]
fn values_are_typed_and_inherited() {
    let manifest = read(SMALL);
    assert_eq!(manifest.python.as_ref().unwrap().to_string(), "3.10");
    let ml = manifest.base("ml").unwrap();
    assert_eq!(
        ml.packages.as_ref().unwrap().values().collect::<Vec<_>>(),
        ["libopus0", "libgomp1"]
    );
    let environment = ml.environment.as_ref().unwrap();
    assert_eq!(
        environment
            .iter()
            .map(|(k, v)| format!("{}={}", k.value, v.value))
            .collect::<Vec<_>>(),
        ["A=1", "B=3"]
    );
    let stt = manifest.service("stt").unwrap();
    assert_eq!(
        stt.code
            .as_ref()
            .unwrap()
            .values()
            .map(ProjectPath::as_str)
            .collect::<Vec<_>>(),
        ["common", "services/stt"]
    );
    assert_eq!(stt.user.as_ref().unwrap().value, User::Name("app".to_owned()));
    assert_eq!(
        stt.healthcheck.as_ref().unwrap().test.0,
        ["CMD", "python", "check.py"]
    );
}

#[test]
fn all_mistakes_are_told_at_once() {
    insta::assert_snapshot!(mistakes(
        "
bases:
  web: {imgae: python:3.11-slim}
services:
  api:
    base: wbe
    code: [../secrets]
    expose: [http]
    user: true
    command: python -m api
"
    ));
}

#[test]
fn yaml_mistakes_have_a_place() {
    insta::assert_snapshot!(mistakes("services:\n  api: [unclosed\n"));
    insta::assert_snapshot!(mistakes("name: a\nservices: {}\nname: b\n"));
    insta::assert_snapshot!(mistakes(""));
}

#[test]
fn the_manifest_that_an_empty_one_is_shown_is_a_good_one() {
    let told = mistakes("# nothing yet\n");
    let shown = told.split('`').nth(1).expect("an example");
    assert_eq!(mistakes(shown), "ok, 0 warnings");
}

#[test]
fn circles_of_bases_are_shown() {
    insta::assert_snapshot!(mistakes(
        "
bases:
  a: {extends: b}
  b: {extends: a}
  into: {extends: b}
services:
  api: {base: a, command: [x]}
"
    ));
}

#[test]
fn a_mistake_of_a_base_is_not_told_by_those_that_extend_it() {
    let told = mistakes(
        "
bases:
  a: {extends: gone}
  b: {extends: a}
services:
  api: {base: b, command: [x]}
",
    );
    assert_eq!(told.matches("which is not declared").count(), 1, "{told}");
    assert!(told.contains("base `a` extends `gone`"), "{told}");
}

#[test]
fn what_other_tools_call_otherwise_is_told() {
    insta::assert_snapshot!(mistakes(
        "
version: '3'
service: {}
bases:
  web: {from: x}
services:
  api:
    image: x
    build: .
    cmd: [x]
    ports: ['80:80']
    expose: ['80:80']
    healthcheck: curl localhost
    depends_on: [db]
    <<: {user: app}
"
    ));
    insta::assert_snapshot!(mistakes("python: 3.11.4\nservices:\n  - api: {image: x}\n"));
    let told = mistakes("python: '3.11'\nservces: {a: {image: x, command: [x]}}\n");
    assert!(told.contains("did you mean `services`?"), "{told}");
    assert!(!told.contains("no services"), "{told}");
}

#[test]
fn slips_of_the_pen_are_told_in_words() {
    let start = "services:\n  api:\n    image: x\n";
    for (line, advice) in [
        ("   user: app\n", "same column"),
        ("\tuser: app\n", "with spaces"),
        ("    code: [a\n    user: app\n", "is a `]`"),
        ("    user app\n    expose: [80]\n", "`:` missing"),
        ("    command: [echo, a: b: c]\n", "`,` missing"),
        ("    user: *app\n", "nothing above is marked so"),
        ("    user: 'app\n", "closing quote"),
    ] {
        let told = mistakes(&format!("{start}{line}"));
        assert!(
            told.contains("not valid YAML") && told.contains(advice),
            "{line:?}: {told}"
        );
    }
}

#[test]
fn keys_of_later_versions_are_not_ignored() {
    let told = mistakes("services: {a: {image: x, command: [x], run: [ls]}}");
    assert!(told.contains("unknown key `run`"), "{told}");
    assert!(told.contains("cannot be written yet: `packages`"), "{told}");
}

proptest::proptest! {
    #[test]
    fn no_text_panics(text in "\\PC{0,200}") {
        let _ = parse(&SourceFile::new("f", text));
    }

    #[test]
    fn no_broken_manifest_panics(cut in 0..SMALL.len(), insert in "[\\[\\]{}:,'\"\\n &*!|>é-]{0,4}") {
        let text = format!("{}{insert}{}", &SMALL[..cut], &SMALL[cut..]);
        let _ = parse(&SourceFile::new("f", text));
    }
}
