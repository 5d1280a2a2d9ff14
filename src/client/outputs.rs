//! Outputs as one engine can make them.
//!
//! dockerd has an exporter of its own for images, `moby`; without the containerd image store that is its only one
//! besides files, and pushing is left to `docker push`. Elsewhere an image for Docker is piped into `docker load`.

use std::collections::BTreeMap;
use std::process::Stdio;

use buildkit_proto::control::Exporter;

use super::connect::EngineInfo;
use super::error::{Error, Failure, FailureKind};
use super::spec::{Dest, Output};

/// Outputs in the engine's terms.
#[derive(Debug, Default)]
pub(super) struct Outputs {
    pub(super) exporters: Vec<Exporter>,
    /// Where files go, by the place of their exporter.
    pub(super) files: BTreeMap<usize, Dest>,
    /// Names to be pushed when the build is done.
    pub(super) push_after: Vec<String>,
}

pub(super) fn adapt(outputs: &[Output], engine: &EngineInfo) -> Result<Outputs, Error> {
    let mut adapted = Outputs::default();
    for (number, output) in outputs.iter().enumerate() {
        let mut output = output.clone();
        if engine.is_docker() {
            for_docker(&mut output, engine.is_graph_driver(), &mut adapted.push_after)?;
        }
        adapted.files.extend(output.dest.map(|dest| (number, dest)));
        adapted.exporters.push(Exporter {
            r#type: output.exporter,
            attrs: output.attributes.into_iter().collect(),
        });
    }
    Ok(adapted)
}

fn for_docker(output: &mut Output, graph_driver: bool, push_after: &mut Vec<String>) -> Result<(), Error> {
    let loads = output.dest == Some(Dest::DockerLoad);
    if loads || output.exporter == "image" {
        output.exporter = String::from("moby");
        output.dest = None;
    }
    if !graph_driver {
        return Ok(());
    }
    if matches!(output.exporter.as_str(), "oci" | "docker") {
        let text = format!(
            "dockerd exports `type={}` only with the containerd image store",
            output.exporter
        );
        return Err(Error::Local(text));
    }
    if output
        .attributes
        .remove("push")
        .is_some_and(|push| push == "true")
    {
        let names = output.attributes.get("name").map(|names| names.split(','));
        push_after.extend(
            names
                .into_iter()
                .flatten()
                .filter(|name| !name.is_empty())
                .map(str::to_owned),
        );
    }
    Ok(())
}

/// Pushes what the engine could not.
pub(super) async fn push(names: &[String]) -> Result<(), Error> {
    for name in names {
        let pushed = tokio::process::Command::new("docker")
            .args(["push", "--quiet", name])
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .process_group(0)
            .output()
            .await
            .map_err(|error| Error::Local(format!("failed to run `docker push`: {error}")))?;
        if !pushed.status.success() {
            let said = String::from_utf8_lossy(&pushed.stderr).trim().to_owned();
            let message = format!("failed to push `{name}`: {said}");
            let failure = Failure {
                kind: FailureKind::Registry,
                message,
                ..Failure::default()
            };
            return Err(Error::Failed(Box::new(failure)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::connect::Worker;

    fn engine(labels: &[&str]) -> EngineInfo {
        let label = |name: &&str| (format!("org.mobyproject.buildkit.worker.{name}"), String::new());
        let worker = Worker {
            labels: labels.iter().map(label).collect(),
            ..Worker::default()
        };
        EngineInfo {
            version: None,
            workers: vec![worker],
        }
    }

    fn adapted(text: &str, engine: &EngineInfo) -> Outputs {
        adapt(&[Output::parse(text).unwrap()], engine).unwrap()
    }

    #[test]
    fn images_take_each_engines_way() {
        let buildkitd = engine(&["executor", "snapshotter"]);
        let containerd = engine(&["executor", "snapshotter", "moby.host-gateway-ip"]);
        let graph_driver = engine(&["moby.host-gateway-ip"]);
        let graph_driver_of_docker_23 = engine(&[]);

        let load = adapted("type=docker,name=a", &buildkitd);
        assert_eq!(
            (load.exporters[0].r#type.as_str(), load.files[&0].clone()),
            ("docker", Dest::DockerLoad)
        );
        let load = adapted("type=docker,name=a", &containerd);
        assert_eq!((load.exporters[0].r#type.as_str(), load.files.len()), ("moby", 0));
        let push = adapted("type=registry,name=a", &containerd);
        assert_eq!(
            (push.exporters[0].attrs["push"].as_str(), push.push_after.len()),
            ("true", 0)
        );
        let load = adapted("type=docker,name=a", &graph_driver_of_docker_23);
        assert_eq!((load.exporters[0].r#type.as_str(), load.files.len()), ("moby", 0));
        let push = adapted("type=registry,\"name=a,b\"", &graph_driver);
        assert_eq!(
            (push.exporters[0].attrs.contains_key("push"), push.push_after),
            (false, vec!["a".into(), "b".into()])
        );
        assert!(adapt(&[Output::parse("type=oci,dest=x").unwrap()], &graph_driver).is_err());
    }
}
