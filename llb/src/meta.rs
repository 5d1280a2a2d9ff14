//! What is told about an operation without being part of its digest: its name, its place in a file, cache settings.

use crate::source_map::{Location, Range, SourceMap};
use buildkit_proto::pb;
use std::collections::BTreeMap;

/// The description under which progress shows an operation.
pub(crate) const CUSTOM_NAME: &str = "llb.customname";

/// Metadata of one operation; its capabilities are added when it is marshalled.
#[derive(Clone, Debug, Default)]
pub(crate) struct Meta {
    pub(crate) pb: pb::OpMetadata,
    pub(crate) locations: Vec<Location>,
}

impl Meta {
    pub(crate) fn describe(&mut self, key: impl Into<String>, value: impl Into<String>) {
        self.pb.description.insert(key.into(), value.into());
    }

    pub(crate) fn locate(&mut self, map: &SourceMap, ranges: impl IntoIterator<Item = Range>) {
        let ranges = ranges.into_iter().map(Into::into).collect();
        self.locations.push(Location {
            map: map.clone(),
            ranges,
        });
    }
}

/// Joins the metadata of two operations that are one, since their bytes are equal: what `new` sets wins.
pub(crate) fn join(into: &mut pb::OpMetadata, new: &pb::OpMetadata) {
    into.ignore_cache |= new.ignore_cache;
    extend(&mut into.description, &new.description);
    into.caps.extend(new.caps.keys().map(|cap| (cap.clone(), true)));
    replace(&mut into.export_cache, new.export_cache.as_ref());
    replace(&mut into.progress_group, new.progress_group.as_ref());
    replace(&mut into.linux_resources, new.linux_resources.as_ref());
}

fn extend(into: &mut BTreeMap<String, String>, new: &BTreeMap<String, String>) {
    into.extend(new.iter().map(|(key, value)| (key.clone(), value.clone())));
}

fn replace<T: Clone>(into: &mut Option<T>, new: Option<&T>) {
    if let Some(new) = new {
        *into = Some(new.clone());
    }
}

/// The methods that every builder of an operation has; they are no part of the operation's digest.
macro_rules! metadata_methods {
    ($builder:ty) => {
        impl $builder {
            /// Names the step in progress output and errors.
            pub fn name(self, name: impl Into<String>) -> Self {
                self.description($crate::meta::CUSTOM_NAME, name)
            }

            /// Attaches a text that the daemon hands through to clients.
            pub fn description(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
                self.meta.describe(key, value);
                self
            }

            /// Runs the step even if the cache has its result.
            pub fn ignore_cache(mut self) -> Self {
                self.meta.pb.ignore_cache = true;
                self
            }

            /// Says whether cache export takes the step's result; otherwise the export's mode decides.
            pub fn export_cache(mut self, export: bool) -> Self {
                self.meta.pb.export_cache = Some(buildkit_proto::pb::ExportCache { value: export });
                self
            }

            /// Shows the step under `name` together with all others of the same id. A weak member shows its group only
            /// if a member that is not weak runs.
            pub fn progress_group(
                mut self,
                id: impl Into<String>,
                name: impl Into<String>,
                weak: bool,
            ) -> Self {
                let group = buildkit_proto::pb::ProgressGroup {
                    id: id.into(),
                    name: name.into(),
                    weak,
                };
                self.meta.pb.progress_group = Some(group);
                self
            }

            /// Says which part of a file the step comes from; may be called several times.
            pub fn location(
                mut self,
                map: &$crate::SourceMap,
                ranges: impl IntoIterator<Item = $crate::Range>,
            ) -> Self {
                self.meta.locate(map, ranges);
                self
            }
        }
    };
}
pub(crate) use metadata_methods;
