//! Processes with all their options and mounts.

use crate::{Case, base, compare, defaults, plain, platform};
use buildkit_llb::{Exec, Mount, Network, ProxyEnv, Security, Sharing, Source, State, cap};
use buildkit_proto::pb;
use std::collections::BTreeSet;

fn run() -> Exec {
    Exec::new(["true"]).root(base())
}

fn done(name: &'static str, exec: Exec) -> Case {
    plain(name, exec.build().root())
}

fn with_caps(name: &'static str, exec: Exec, caps: &[&str]) -> Case {
    let mut options = defaults();
    options.caps = Some(caps.iter().map(|&cap| cap.to_owned()).collect::<BTreeSet<_>>());
    (name, exec.build().root(), options)
}

#[test]
fn execs() {
    let env = || {
        run()
            .env("PATH", "/bin")
            .env("B", "1")
            .env("A", "x=y")
            .env("B", "2")
            .env("E", "")
    };
    let arm = platform("linux/arm64");
    let inherited = Exec::new(["x"])
        .root(Source::image("a").platform(arm.clone()).build())
        .build()
        .root();
    let mut cases = vec![
        done("exec", run()),
        done("exec-platform", run().platform(arm)),
        done("exec-inherits", Exec::new(["y"]).root(inherited)),
        done("exec-env", env()),
        with_caps("exec-path-caps", run(), &[cap::EXEC_META_SETS_DEFAULT_PATH]),
        with_caps("exec-path-set", run(), &[]),
        with_caps("exec-path-kept", env(), &[]),
        done(
            "exec-process",
            run()
                .cwd("/srv")
                .user("app:app")
                .hostname("box")
                .cgroup_parent("parent")
                .valid_exit_codes([0, 3, 200]),
        ),
        done("exec-dir-relative", run().cwd("/srv").cwd("app/../x")),
        done("exec-network-host", run().network(Network::Host)),
        done("exec-network-none", run().network(Network::None)),
        done("exec-insecure", run().security(Security::Insecure)),
        done("exec-proxy", run().proxy_env(proxy())),
        done(
            "exec-hosts",
            run()
                .extra_host("a.example", "192.0.2.1".parse().unwrap())
                .extra_host("b.example", "2001:db8::1".parse().unwrap()),
        ),
        done(
            "exec-ulimit",
            run().ulimit("nofile", 1024, 4096).ulimit("core", 0, -1),
        ),
        done(
            "exec-devices",
            run()
                .cdi_device("vendor.example/gpu=0", false)
                .cdi_device("vendor.example/gpu=1", true),
        ),
        done("exec-resources", run().linux_resources(resources())),
        done(
            "exec-metadata",
            run()
                .name("run tests")
                .ignore_cache()
                .export_cache(false)
                .progress_group("g", "tests", false),
        ),
    ];
    cases.extend(mounts());
    cases.extend(caches_and_secrets());
    compare::check("execs", cases);
}

fn proxy() -> ProxyEnv {
    ProxyEnv {
        http_proxy: "http://p:1".to_owned(),
        https_proxy: "http://p:2".to_owned(),
        ftp_proxy: "http://p:3".to_owned(),
        no_proxy: "localhost".to_owned(),
        all_proxy: "http://p:4".to_owned(),
    }
}

fn resources() -> pb::LinuxResources {
    pb::LinuxResources {
        memory: 1 << 30,
        memory_swap: 1 << 31,
        cpu_shares: 2,
        cpu_period: 100_000,
        cpu_quota: 50_000,
        cpuset_cpus: "0-1".to_owned(),
        cpuset_mems: "0".to_owned(),
    }
}

fn mounts() -> Vec<Case> {
    let scratch = State::scratch;
    let make = Exec::new(["make"])
        .root(base())
        .mount(Mount::bind("/out", scratch()))
        .mount(Mount::bind("/ro", base()).readonly())
        .mount(Mount::bind("/a", scratch()))
        .build();
    let readonly = run()
        .root_readonly()
        .mount(Mount::bind("/out", scratch()))
        .build();
    vec![
        plain("exec-readonly-root", readonly.output("/out").unwrap()),
        done(
            "exec-readonly-mount",
            run().mount(
                Mount::bind("/src", Source::local("context").build())
                    .readonly()
                    .selector("/sub"),
            ),
        ),
        done(
            "exec-mounts",
            run()
                .mount(Mount::bind("/z", scratch()))
                .mount(Mount::cache("/cache", "uv").sharing(Sharing::Locked))
                .mount(Mount::bind("/b", Source::local("context").session_id("s").build()).readonly())
                .mount(Mount::secret("/run/secrets/index", "index"))
                .mount(Mount::ssh("default"))
                .mount(Mount::bind("/a", Source::image("tool").build()).selector("/bin"))
                .mount(Mount::tmpfs("/tmp")),
        ),
        plain("exec-mount-output", make.output("/out").unwrap()),
        plain("exec-mount-output-2", make.output("/a").unwrap()),
        done(
            "exec-scratch-root",
            Exec::new(["/t/tool", "x"]).mount(Mount::bind("/t", base()).readonly()),
        ),
        done("exec-same-input", {
            let root = base();
            Exec::new(["true"])
                .root(root.clone())
                .mount(Mount::bind("/x", root.clone()).readonly())
                .mount(Mount::bind("/y", root).readonly().selector("/etc"))
        }),
        done(
            "exec-no-output",
            run()
                .mount(Mount::bind("/x", base()).no_output())
                .mount(Mount::bind("/y", scratch())),
        ),
        done(
            "exec-content-cache",
            run()
                .mount(Mount::bind("/x", base()).readonly().content_cache(true))
                .mount(Mount::bind("/y", base()).readonly().content_cache(false)),
        ),
        done(
            "exec-tmpfs",
            run()
                .mount(Mount::tmpfs("/t"))
                .mount(Mount::tmpfs("/u").size(1 << 20)),
        ),
    ]
}

fn caches_and_secrets() -> Vec<Case> {
    vec![
        done(
            "exec-cache",
            run()
                .mount(Mount::cache("/c/shared", "shared"))
                .mount(Mount::cache("/c/private", "private").sharing(Sharing::Private))
                .mount(Mount::cache("/c/locked", "locked").sharing(Sharing::Locked)),
        ),
        done(
            "exec-cache-from",
            run().mount(
                Mount::cache("/c", "id")
                    .sharing(Sharing::Locked)
                    .from(Source::image("seed").build())
                    .selector("/cache"),
            ),
        ),
        done(
            "exec-cache-readonly",
            run().mount(Mount::cache("/c", "id").readonly()),
        ),
        done(
            "exec-secrets",
            run().mount(Mount::secret("/run/secrets/a", "a")).mount(
                Mount::secret("/run/secrets/b", "b")
                    .optional()
                    .uid(1000)
                    .gid(1001)
                    .mode(0o440),
            ),
        ),
        done(
            "exec-secret-env",
            run()
                .secret_env("TOKEN", "a", false)
                .secret_env("USER_TOKEN", "b", true),
        ),
        done(
            "exec-ssh",
            run()
                .mount(Mount::ssh("default"))
                .mount(
                    Mount::ssh("other")
                        .optional()
                        .dest("/agent")
                        .uid(1)
                        .gid(2)
                        .mode(0o660),
                )
                .mount(Mount::ssh("third")),
        ),
        done(
            "exec-ssh-env",
            run().mount(Mount::ssh("default")).env("SSH_AUTH_SOCK", "/mine"),
        ),
    ]
}
