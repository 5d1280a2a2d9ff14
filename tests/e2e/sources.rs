//! Wheels built from source in one service while another takes the ready ones.

use crate::engine::engines;
use crate::project::Project;

const MANIFEST: &str = "\
name: e2e-openblas
python: \"3.11\"
bases:
  slim: {image: python:3.11-slim}
defaults:
  base: slim
  requirements: [requirements.txt]
  code: [app]
  command: [python, app/config.py]
services:
  openblas:
    packages: [libopenblas0]
    wheels:
      numpy: {source: true, build_packages: [gcc, g++, libc6-dev, libpython3-dev, libopenblas-dev, pkg-config]}
  wheel: {}
";

/// Says which BLAS numpy was built against, and uses it.
const CONFIG: &str = "\
import numpy
print(numpy.show_config(mode='dicts')['Build Dependencies']['blas']['name'], numpy.ones(8) @ numpy.ones(8))
";

/// numpy against Debian's OpenBLAS takes minutes, so this runs where WHEELWRIGHT_E2E_SLOW is set.
#[test]
fn numpy_against_openblas_beside_the_ready_wheel() {
    let Some(engines) = engines() else { return };
    if std::env::var_os("WHEELWRIGHT_E2E_SLOW").is_none() {
        return;
    }
    let project = Project::new();
    project.write("wheelwright.yaml", MANIFEST);
    project.write("requirements.txt", "numpy==1.26.4\n");
    project.write("app/config.py", CONFIG);
    let folder = project.path().display().to_string();
    for (service, blas) in [("openblas", "openblas 8.0"), ("wheel", "openblas64 8.0")] {
        let image = engines.image(&format!("numpy-{service}"));
        engines
            .wheelwright(&[
                "build",
                service,
                "-C",
                &folder,
                "-t",
                &image,
                "--push",
                "--progress=plain",
            ])
            .ok();
        engines
            .docker(&engines.docker_graph, &["pull", "-q", &image])
            .ok();
        let said = engines
            .docker(&engines.docker_graph, &["run", "--rm", "--network=host", &image])
            .ok();
        assert_eq!(said.trim(), blas);
    }
}
