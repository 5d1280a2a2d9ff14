//! What the build makes: tags, `--push`, `--load` and `--output` as one list of outputs.

use std::collections::BTreeMap;

use buildkit_llb::normalize_reference;

use super::BuildArgs;
use crate::cli::Failure;
use crate::client::EngineInfo;
use crate::client::spec::{Dest, Output, SERVICE};
use crate::layers::Format;
use crate::report::Progress;

/// The outputs of every service, `{service}` not yet replaced.
#[derive(Debug)]
pub(super) struct Wanted {
    tags: Vec<String>,
    outputs: Vec<Output>,
}

impl Wanted {
    /// Checks that `services` builds do not write to one place.
    pub(super) fn new(args: &BuildArgs, services: usize) -> Result<Self, Failure> {
        let mut outputs = args
            .outputs
            .iter()
            .map(|text| Output::parse(text))
            .collect::<Result<Vec<_>, _>>()?;
        let names = args.tags.join(",");
        for output in &mut outputs {
            if !names.is_empty() && output.is_image() {
                output
                    .attributes
                    .entry("name".to_owned())
                    .or_insert_with(|| names.clone());
            }
        }
        outputs.extend(args.push.then(|| image(&names, true)));
        outputs.extend(args.load.then(|| load(&names)));
        let wanted = Self {
            tags: args.tags.clone(),
            outputs,
        };
        wanted.check(args, services)?;
        Ok(wanted)
    }

    fn check(&self, args: &BuildArgs, services: usize) -> Result<(), Failure> {
        let usage = |text: String| Err(Failure::Usage(text));
        for name in self.names() {
            if let Err(error) = normalize_reference(&name.replace(SERVICE, "x")) {
                return usage(format!("`{name}` is no image name: {}", error.problem));
            }
            if name.contains('@') {
                return usage(format!(
                    "`{name}` is no image name: a digest is what the build finds out"
                ));
            }
        }
        let collides = self.outputs.iter().any(Output::collides);
        let one_name = self.tags.iter().any(|tag| !tag.contains(SERVICE));
        if services > 1 && (collides || one_name) {
            return usage(format!(
                "{services} services would be written to one place, put `{SERVICE}` into its name"
            ));
        }
        let on_stdout = self
            .outputs
            .iter()
            .any(|output| output.dest == Some(Dest::Stdout));
        if on_stdout && args.progress == Progress::Json {
            return usage("`--progress json` and an output cannot both go to standard output".to_owned());
        }
        Ok(())
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        let named = self
            .outputs
            .iter()
            .filter_map(|output| output.attributes.get("name"));
        let tags = self.tags.iter().map(String::as_str);
        tags.chain(
            named
                .flat_map(|names| names.split(','))
                .filter(|name| !name.is_empty()),
        )
    }

    /// The outputs of one service. Tags alone name an image where the engine keeps images: that is dockerd.
    pub(super) fn of(&self, service: &str, engine: &EngineInfo) -> Vec<Output> {
        let mut outputs = self.outputs.clone();
        if outputs.is_empty() && !self.tags.is_empty() && engine.is_docker() {
            outputs.push(load(&self.tags.join(",")));
        }
        outputs.iter().map(|output| output.for_service(service)).collect()
    }

    /// True if nothing takes the result out of the engine.
    pub(super) fn stays_in_cache(&self, engine: &EngineInfo) -> bool {
        self.outputs.is_empty() && (self.tags.is_empty() || !engine.is_docker())
    }
}

/// The files and directories among `outputs`, for the report.
pub(super) fn files(outputs: &[Output]) -> Vec<String> {
    let path = |output: &Output| match &output.dest {
        Some(Dest::Directory(path) | Dest::File(path)) => Some(path.display().to_string()),
        _ => None,
    };
    outputs.iter().filter_map(path).collect()
}

/// How layers that are made for these outputs are packed: the way that all images ask for. One layer serves them all,
/// so where they do not agree it is the one that every engine and every host takes.
pub(super) fn packing(outputs: &[Output]) -> Format {
    let mut asked = outputs.iter().filter(|output| output.is_image());
    let first = asked.next().and_then(Output::packing).unwrap_or_default();
    let agreed = asked.all(|output| output.packing().unwrap_or_default() == first);
    if agreed { first } else { Format::default() }
}

fn image(names: &str, push: bool) -> Output {
    let attributes = [
        ("name".to_owned(), names.to_owned()),
        ("push".to_owned(), push.to_string()),
    ];
    Output {
        exporter: "image".to_owned(),
        attributes: attributes.into(),
        dest: None,
    }
}

fn load(names: &str) -> Output {
    let attributes = BTreeMap::from([("name".to_owned(), names.to_owned())]);
    Output {
        exporter: "docker".to_owned(),
        attributes,
        dest: Some(Dest::DockerLoad),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packed(texts: &[&str]) -> Format {
        let outputs = texts.iter().map(|text| Output::parse(text).expect("an output"));
        packing(&outputs.collect::<Vec<_>>())
    }

    #[test]
    fn layers_are_packed_as_all_images_ask() {
        let zstd = "type=registry,name=a,compression=zstd";
        assert_eq!(packed(&[zstd]), Format::Zstd);
        assert_eq!(packed(&["type=oci,dest=x,compression=estargz"]), Format::Estargz);
        assert_eq!(
            packed(&["type=local,dest=x,compression=gzip", zstd]),
            Format::Zstd
        );
        assert_eq!(packed(&[zstd, "type=docker"]), Format::Gzip);
        assert_eq!(packed(&["type=image,compression=uncompressed"]), Format::Gzip);
        assert_eq!(packed(&[]), Format::Gzip);
    }
}
