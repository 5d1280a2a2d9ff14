//! The smoke test runs in the finished image and leaves nothing in it.

use crate::engine::engines;
use crate::project::Project;

#[test]
fn modules_that_cannot_be_imported_fail_the_build() {
    let Some(engines) = engines() else { return };
    let project = Project::new();
    let (image, metadata) = (engines.image("smoke"), project.path().join("metadata.json"));
    let file = metadata.display().to_string();
    let build = || engines.push(project.path(), "api", &image, &["--metadata-file", &file]);
    let digest = || {
        build().ok();
        let text = std::fs::read_to_string(&metadata).expect("metadata");
        let metadata: serde_json::Value = serde_json::from_str(&text).expect("JSON");
        metadata["api"]["containerimage.digest"].clone()
    };
    let without = digest();
    project.edit(
        "    code: [app]\n",
        "    code: [app]\n    smoke: [markupsafe, app]\n",
    );
    assert_eq!(digest(), without, "the image is the same");
    project.edit("[markupsafe, app]", "[markupsafe, app.nowhere]");
    let said = build().fails();
    assert!(
        said.contains("`app.nowhere` cannot be imported: ModuleNotFoundError"),
        "{said}"
    );
    assert!(said.contains("smoke test"), "{said}");
}
