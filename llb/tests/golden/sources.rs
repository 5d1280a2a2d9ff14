//! Images, local directories, web servers, repositories, OCI layouts.

use crate::{ZEROS, compare, plain, platform};
use buildkit_llb::{Differ, ResolveMode, Source, State};

const COMMIT: &str = "0123456789012345678901234567890123456789";

#[test]
fn sources() {
    let python = || Source::image("python");
    let slim = || Source::image("python:3.11-slim");
    let local = || Source::local("c");
    let wheel = || Source::http("https://files.example/a.whl");
    let repo = || Source::git("https://git.example/org/repo.git", "v1.0");
    let layout = || Source::oci_layout(format!("wheels@sha256:{ZEROS}"));
    let escapes = ["a<b>&c", "\"q\"\\", "\u{2028}\u{2029}ü\u{1}\t\u{8}"];
    compare::check(
        "sources",
        vec![
            plain("scratch", State::scratch()),
            plain("image", slim().build()),
            plain("image-latest", Source::image("ghcr.io/example/tool").build()),
            plain(
                "image-digest",
                Source::image(format!("python:3.11-slim@sha256:{ZEROS}")).build(),
            ),
            plain(
                "image-platform",
                slim().platform(platform("linux/aarch64")).build(),
            ),
            plain("image-variant", slim().platform(platform("linux/armhf")).build()),
            plain("image-pull", python().resolve_mode(ResolveMode::Pull).build()),
            plain("image-local", python().resolve_mode(ResolveMode::Local).build()),
            plain(
                "image-default",
                python().resolve_mode(ResolveMode::Default).build(),
            ),
            plain("image-internal", python().record_type("internal").build()),
            plain("image-layers", python().layer_limit(2).build()),
            plain(
                "image-checksum",
                python().checksum(format!("sha256:{ZEROS}")).build(),
            ),
            plain("local", Source::local("context").build()),
            plain("local-session", Source::local("context").session_id("s1").build()),
            plain(
                "local-patterns",
                Source::local("context")
                    .session_id("s1")
                    .include_patterns(["src", "*.toml"])
                    .exclude_patterns(["**/*.pyc", "!keep.pyc"])
                    .follow_paths(["scripts/run"])
                    .shared_key_hint("code:voice")
                    .build(),
            ),
            plain("local-escapes", local().include_patterns(escapes).build()),
            plain(
                "local-empty",
                local().include_patterns([""; 0]).shared_key_hint("").build(),
            ),
            plain("local-differ-none", local().differ(Differ::None).build()),
            plain("local-metadata-only", local().metadata_only(["a"]).build()),
            plain(
                "local-differ-metadata",
                local()
                    .differ(Differ::Metadata)
                    .session_id("s1")
                    .shared_key_hint("h")
                    .build(),
            ),
            plain("http", wheel().build()),
            plain(
                "http-all",
                Source::http("https://files.example/p/a.whl?x=1#frag")
                    .checksum(format!("sha256:{ZEROS}"))
                    .filename("a.whl")
                    .perm(0o644)
                    .uid(1000)
                    .gid(1001)
                    .auth_header_secret("index")
                    .build(),
            ),
            plain(
                "http-headers",
                wheel().accept("text/html").user_agent("tool/1").build(),
            ),
            plain("git", repo().build()),
            plain("git-plain", Source::git("git.example/org/repo.git", "").build()),
            plain(
                "git-http",
                Source::git("http://user@git.example:8080/org//repo.git/", "main").build(),
            ),
            plain(
                "git-scp",
                Source::git("git@git.example:org/repo.git", "main")
                    .known_ssh_hosts("git.example ssh-ed25519 AAAA")
                    .build(),
            ),
            plain(
                "git-ssh",
                Source::git("ssh://git@git.example:22/org/repo.git", "main")
                    .known_ssh_hosts("k1\n")
                    .known_ssh_hosts("k2")
                    .ssh("key")
                    .build(),
            ),
            plain("git-subdir", repo().subdir("a/b").build()),
            plain(
                "git-all",
                repo()
                    .keep_git_dir()
                    .checksum(COMMIT)
                    .auth_token_secret("token")
                    .auth_header_secret("header")
                    .skip_submodules()
                    .mtime_commit()
                    .build(),
            ),
            plain("oci-layout", layout().build()),
            plain(
                "oci-layout-all",
                layout()
                    .session_id("session")
                    .store_id("store")
                    .layer_limit(1)
                    .platform(platform("linux/arm64"))
                    .build(),
            ),
            plain(
                "source-metadata",
                python()
                    .name("base")
                    .description("k", "v")
                    .ignore_cache()
                    .export_cache(true)
                    .progress_group("id", "group", true)
                    .build(),
            ),
            plain(
                "source-no-export",
                Source::http("https://files.example/x")
                    .export_cache(false)
                    .build(),
            ),
        ],
    );
}
