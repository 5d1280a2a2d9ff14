//! Mistakes as a user meets them through each door: the manifest is underlined.

use crate::engine::engines;
use crate::project::Project;

#[test]
fn a_mistake_in_the_manifest_is_underlined() {
    let Some(engines) = engines() else { return };
    let project = Project::new();
    project.edit("base: slim", "base: silm");
    for said in [
        engines.buildctl(project.path(), "api", &[]),
        engines.buildx(&engines.docker, project.path(), "api", "e2e/x", &[]),
    ] {
        let text = said.fails();
        assert!(text.contains("did you mean `slim`?"), "{text}");
        assert!(text.contains("wheelwright.yaml:8"), "{text}");
        assert!(text.contains(">>>     base: silm"), "{text}");
    }
}

#[test]
fn unknown_targets_are_listed() {
    let Some(engines) = engines() else { return };
    let project = Project::new();
    let text = engines.buildctl(project.path(), "apo", &[]).fails();
    assert!(
        text.contains("there is no service `apo`") && text.contains("did you mean `api`?"),
        "{text}"
    );
    assert!(text.contains("base:slim"), "{text}");
}

#[test]
fn a_path_that_is_not_there_is_underlined() {
    let Some(engines) = engines() else { return };
    let project = Project::new();
    project.edit("code: [app]", "code: [app, sevices]");
    let text = engines.buildctl(project.path(), "api", &[]).fails();
    assert!(
        text.contains("`sevices` is not in the repository") && text.contains("wheelwright.yaml:10"),
        "{text}"
    );
}

#[test]
fn a_failing_step_underlines_what_asked_for_it() {
    let Some(engines) = engines() else { return };
    let project = Project::new();
    project.edit(
        "    image: python:3.11-slim\n",
        "    image: python:3.11-slim\n    packages: [no-such-package-here]\n",
    );
    let text = engines.buildctl(project.path(), "base:slim", &[]).fails();
    assert!(
        text.contains("no-such-package-here") && text.contains("wheelwright.yaml:6"),
        "{text}"
    );
    assert!(
        text.contains(">>>     packages: [no-such-package-here]"),
        "{text}"
    );
}

#[test]
fn requirements_that_cannot_be_met_show_the_resolver() {
    let Some(engines) = engines() else { return };
    let project = Project::new();
    project.write("more.txt", "MarkupSafe==3.0.2\nMarkupSafe==3.0.1\n");
    let text = engines.buildctl(project.path(), "api", &[]).fails();
    assert!(
        text.to_lowercase().contains("markupsafe") && text.contains("wheelwright.yaml:9"),
        "{text}"
    );
}

#[test]
fn the_command_checks_without_an_engine() {
    let Some(engines) = engines() else { return };
    let project = Project::new();
    project.edit("code: [app]", "cod: [app]");
    let folder = project.path().display().to_string();
    let said = engines.wheelwright(&["check", "-C", &folder]);
    assert_eq!(said.code, 3, "{}", said.text);
    assert!(
        said.text.contains("wheelwright.yaml:10:5") && said.text.contains("did you mean `code`?"),
        "{}",
        said.text
    );
}
