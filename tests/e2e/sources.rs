//! numpy and scipy built against the distribution's OpenBLAS in one service, while another takes the ready wheels. They
//! compile for minutes, so these run where WHEELWRIGHT_E2E_SLOW is set.

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
    packages: [LIBRARIES]
    wheels:
      PACKAGE: {source: true, build_packages: [BUILD]}
  wheel: {}
";

/// Builds both services; what their programs say.
fn said_by_both(
    package: &str,
    libraries: &str,
    build: &str,
    requirements: &str,
    program: &str,
) -> [String; 2] {
    let Some(engines) = engines() else {
        return Default::default();
    };
    let manifest = MANIFEST
        .replace("LIBRARIES", libraries)
        .replace("PACKAGE", package)
        .replace("BUILD", build);
    let project = Project::new();
    project.write("wheelwright.yaml", &manifest);
    project.write("requirements.txt", requirements);
    project.write("app/config.py", program);
    ["openblas", "wheel"].map(|service| {
        let image = engines.image(&format!("{package}-{service}"));
        engines.push(project.path(), service, &image, &[]).ok();
        let host = &engines.docker_graph;
        engines.docker(host, &["pull", "-q", &image]).ok();
        let said = engines.docker(host, &["run", "--rm", "--network=host", &image]);
        said.ok().trim().to_owned()
    })
}

fn is_asked_for() -> bool {
    std::env::var_os("WHEELWRIGHT_E2E_SLOW").is_some()
}

/// Says which BLAS numpy was built against, and uses it.
const NUMPY: &str = "\
import numpy
print(numpy.show_config(mode='dicts')['Build Dependencies']['blas']['name'], numpy.ones(8) @ numpy.ones(8))
";

#[test]
fn numpy_against_openblas_beside_the_ready_wheel() {
    if !is_asked_for() {
        return;
    }
    let said = said_by_both(
        "numpy",
        "libopenblas0",
        "gcc, g++, libc6-dev, libpython3-dev, libopenblas-dev, pkg-config",
        "numpy==1.26.4\n",
        NUMPY,
    );
    assert_eq!(said, ["openblas 8.0", "openblas64 8.0"]);
}

/// Uses scipy's BLAS and LAPACK, and says where the library with them came from.
const SCIPY: &str = "\
import numpy, scipy.linalg
ones = numpy.ones(8)
result = scipy.linalg.blas.ddot(ones, ones), scipy.linalg.det(numpy.eye(3))
with open('/proc/self/maps') as maps:
    loaded = {line.split()[-1] for line in maps if 'openblas' in line}
print('the distribution' if any(path.startswith('/usr/lib/') for path in loaded) else 'the wheel', *result)
";

#[test]
fn scipy_against_openblas_beside_the_ready_wheel() {
    if !is_asked_for() {
        return;
    }
    let said = said_by_both(
        "scipy",
        "libopenblas0, libgfortran5",
        "gcc, g++, gfortran, libc6-dev, libpython3-dev, libopenblas-dev, pkg-config",
        "numpy==1.26.4\nscipy==1.13.1\n",
        SCIPY,
    );
    assert_eq!(said, ["the distribution 8.0 1.0", "the wheel 8.0 1.0"]);
}
