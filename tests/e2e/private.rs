//! A buildkitd of a test's own, with nothing in it.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::engine::{Engines, run};

/// Ends, and leaves nothing behind, when dropped.
pub(crate) struct PrivateEngine {
    process: Child,
    folder: TempDir,
}

impl PrivateEngine {
    /// Starts `program`, a buildkitd of any version.
    pub(crate) fn start(engines: &Engines, program: &Path) -> Self {
        let folder = TempDir::new().expect("a folder");
        let (root, config) = (folder.path().join("root"), folder.path().join("buildkitd.toml"));
        let registry = &engines.registry;
        let text = format!(
            "root = \"{}\"\n[grpc]\naddress = [\"unix://{}\"]\n[worker.oci]\nnetworkMode = \"host\"\n\
             [worker.containerd]\nenabled = false\n[registry.\"docker.io\"]\nmirrors = [\"{registry}\"]\n\
             [registry.\"{registry}\"]\nhttp = true\n",
            root.display(),
            folder.path().join("buildkitd.sock").display(),
        );
        fs::write(&config, text).expect("its configuration");
        let log = fs::File::create(folder.path().join("log")).expect("its log");
        let process = Command::new(program)
            .arg("--config")
            .arg(config)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap_or_else(|error| panic!("{}: {error}", program.display()));
        let mut engine = Self { process, folder };
        engine.wait();
        engine
    }

    fn wait(&mut self) {
        let deadline = Instant::now() + Duration::from_secs(30);
        let address = self.address();
        while run(Command::new("buildctl").args(["--addr", &address, "debug", "workers"])).code != 0 {
            let gone = self.process.try_wait().expect("its status").is_some();
            let log = || fs::read_to_string(self.folder.path().join("log")).unwrap_or_default();
            assert!(
                !gone && Instant::now() < deadline,
                "buildkitd did not come up:\n{}",
                log()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Its address.
    pub(crate) fn address(&self) -> String {
        format!("unix://{}", self.folder.path().join("buildkitd.sock").display())
    }

    /// Empties it.
    pub(crate) fn prune(&self) {
        run(Command::new("buildctl").args(["--addr", &self.address(), "prune", "--all"])).ok();
    }
}

impl Drop for PrivateEngine {
    fn drop(&mut self) {
        // Asked to end, it unmounts what it has mounted.
        let id = self.process.id().to_string();
        drop(Command::new("kill").arg(id).status());
        drop(self.process.wait());
    }
}
