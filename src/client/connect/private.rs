//! A buildkitd of one's own, for machines where one is installed and none runs.
//!
//! Its root, and so its cache, stays in `$XDG_STATE_HOME/wheelwright/buildkitd` (`~/.local/state` without the
//! variable) from one command to the next. The daemon does not: it ends with the last command that uses it. Commands that run at the same time
//! share one daemon; each holds a shared lock on `users.lock`, and who can lock it alone at the end is the last one.
//! Its log is `buildkitd.log` beside the socket.

use std::env;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use tokio::process::Command;

use crate::client::address::Address;

/// How long the daemon may take to listen, and to end.
const START: Duration = Duration::from_secs(20);
const END: Duration = Duration::from_secs(10);

/// The right to use the private daemon, and the duty to end it.
pub(super) struct Lease {
    dir: PathBuf,
    users: Mutex<Option<File>>,
}

/// Starts a daemon, or joins the one that another command started. The error says why there is none.
pub(super) async fn start() -> Result<(Lease, Address), String> {
    let program = program().ok_or("`buildkitd` is not on PATH")?;
    let dir = state_dir().ok_or("there is no home directory to keep its cache in")?;
    let fail = |error: std::io::Error| error.to_string();
    fs_err::create_dir_all(&dir).map_err(fail)?;
    let users = File::create(dir.join("users.lock")).map_err(fail)?;
    users.lock_shared().map_err(fail)?;
    let lease = Lease {
        dir: dir.clone(),
        users: Mutex::new(Some(users)),
    };
    // One command starts the daemon, others that come meanwhile wait for it here.
    let starting = File::create(dir.join("start.lock")).map_err(fail)?;
    starting.lock().map_err(fail)?;
    let socket = dir.join("buildkitd.sock");
    if tokio::net::UnixStream::connect(&socket).await.is_err() {
        launch(&program, &dir, &socket).await?;
    }
    Ok((lease, Address::Unix(socket)))
}

async fn launch(program: &Path, dir: &Path, socket: &Path) -> Result<(), String> {
    let fail = |error: std::io::Error| error.to_string();
    let log = File::create(dir.join("buildkitd.log")).map_err(fail)?;
    let rootless = !rustix::process::geteuid().is_root();
    let mut command = if rootless {
        let rootlesskit = on_path("rootlesskit").ok_or("`buildkitd` needs root, or `rootlesskit` on PATH")?;
        let mut command = Command::new(rootlesskit);
        command.arg(program);
        command
    } else {
        Command::new(program)
    };
    let child = command
        .arg(format!("--root={}", dir.join("root").display()))
        .arg(format!("--addr=unix://{}", socket.display()))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        .process_group(0)
        .spawn();
    let mut child = child.map_err(|error| format!("failed to run `{}`: {error}", program.display()))?;
    let pid = child.id().ok_or("it ended at once")?;
    fs_err::write(dir.join("buildkitd.pid"), pid.to_string()).map_err(fail)?;
    let begun = Instant::now();
    while tokio::net::UnixStream::connect(socket).await.is_err() {
        let ended = child.try_wait().map_err(fail)?;
        if ended.is_some() || begun.elapsed() > START {
            drop(child.start_kill());
            return Err(format!(
                "it did not start, see `{}`",
                dir.join("buildkitd.log").display()
            ));
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    // Collects the process when it ends, should that be before this one does.
    tokio::spawn(async move { child.wait().await });
    Ok(())
}

impl Lease {
    /// Ends the daemon unless another command uses it.
    pub(super) async fn end(&self) {
        let users = self.users.lock().ok().and_then(|mut users| users.take());
        let Some(users) = users else { return };
        if users.unlock().is_err() || users.try_lock().is_err() {
            return;
        }
        let pid_file = self.dir.join("buildkitd.pid");
        let pid = fs_err::read_to_string(&pid_file)
            .ok()
            .and_then(|text| text.trim().parse().ok());
        let Some(pid) = pid.and_then(Pid::from_raw) else {
            return;
        };
        // It may have ended by itself.
        let _ = kill_process(pid, Signal::TERM);
        let begun = Instant::now();
        while test_kill_process(pid).is_ok() && begun.elapsed() < END {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        drop(fs_err::remove_file(pid_file));
    }
}

fn program() -> Option<PathBuf> {
    on_path("buildkitd")
}

fn on_path(name: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?)
        .map(|dir| dir.join(name))
        .find(|path| path.is_file())
}

fn state_dir() -> Option<PathBuf> {
    let state = env::var_os("XDG_STATE_HOME")
        .filter(|dir| !dir.is_empty())
        .map(PathBuf::from);
    Some(
        state
            .or_else(|| Some(env::home_dir()?.join(".local/state")))?
            .join("wheelwright/buildkitd"),
    )
}
