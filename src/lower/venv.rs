//! The venv's own files and the service's user: what is neither a package nor code.

use buildkit_llb::{Copy, FileOp, Owner, State};

use super::context::{Context, EPOCH_NANOS};
use super::pack::Pack;
use crate::plan::Plan;

/// A layer of a few hundred bytes. Copied once, since a folder takes the clock's time when something is put into it; a
/// copy gives folders their time last.
pub(super) fn layer(plan: &Plan, cx: &Context) -> State {
    let made = skeleton(plan, cx, State::scratch());
    let copy = Copy::from(&made, "/", "/").dir_contents().timestamp(EPOCH_NANOS);
    let op = FileOp::on(State::scratch()).copy(copy);
    cx.file_op(op, format!("[{}] venv layer", plan.service), plan.at)
}

/// Adds them to a tree.
pub(super) fn skeleton(plan: &Plan, cx: &Context, on: State) -> State {
    let venv = &plan.venv;
    let minor = plan.interpreter.minor.to_string();
    let executable = &plan.interpreter.executable;
    let home = executable.rsplit_once('/').map_or("/", |(folder, _)| folder);
    let config = format!("home = {home}\nimplementation = CPython\ninclude-system-site-packages = false\n");
    let op = FileOp::on(on)
        .timestamp(EPOCH_NANOS)
        .mkdir(format!("{venv}/bin"), 0o755, true, None)
        .mkdir(
            format!("{venv}/lib/python{minor}/site-packages"),
            0o755,
            true,
            None,
        )
        .mkfile(format!("{venv}/pyvenv.cfg"), 0o644, config.into_bytes(), None);
    let links = [
        (executable.as_str(), format!("{venv}/bin/python")),
        ("python", format!("{venv}/bin/python3")),
        ("python", format!("{venv}/bin/python{minor}")),
        ("lib", format!("{venv}/lib64")),
    ];
    let op = account(plan, linked(cx, op, &links));
    cx.file_op(op, format!("[{}] venv", plan.service), plan.at)
}

/// Makes symbolic links, each as (target, path).
fn linked(cx: &Context, op: FileOp, links: &[(&str, String)]) -> FileOp {
    if cx.symlinks {
        return links
            .iter()
            .fold(op, |op, (target, path)| op.symlink(*target, path));
    }
    links
        .iter()
        .fold(Pack::default(), |pack, (target, path)| pack.link(target, path))
        .lay_down(op)
}

/// A user without a shell: two files and a home, no exec.
fn account(plan: &Plan, op: FileOp) -> FileOp {
    let Some(account) = &plan.account else { return op };
    let Some(new) = &account.add else { return op };
    let op = op
        .mkdir("/etc", 0o755, true, None)
        .mkfile("/etc/passwd", 0o644, new.passwd.clone().into_bytes(), None)
        .mkfile("/etc/group", 0o644, new.group.clone().into_bytes(), None);
    // Folders that are made on the way get the owner of the last, so those above the home come first.
    let op = match new.home.rsplit_once('/') {
        Some((above, _)) if !above.is_empty() => op.mkdir(above, 0o755, true, None),
        _ => op,
    };
    op.mkdir(&new.home, 0o755, true, Owner::ids(account.uid, account.gid))
}
