//! What a service installs against what its base allows, and against what it is for.

use super::show::bytes;
use super::{Inputs, Plan};
use crate::diag::{Diagnostic, Diagnostics, SourceFile, Span};
use crate::manifest::types::items;
use crate::manifest::{Base, Manifest, Service};
use crate::python::{PackageName, Pick};

/// Packages that the base denies, or does not allow.
pub(super) fn packages(inputs: &Inputs<'_>, base: Option<&Base>, mistakes: &mut Diagnostics) {
    let refused = |pick: &Pick, does: &str, at: Span| {
        Diagnostic::error(format!(
            "service `{}` installs `{} {}`, which its base {does}",
            inputs.name, pick.name, pick.version
        ))
        .at(inputs.file, at)
    };
    for denied in items(base.and_then(|base| base.deny.as_ref())) {
        for pick in inputs.packages.iter().filter(|pick| matches(denied, &pick.name)) {
            mistakes.push(
                refused(pick, "denies", denied.span)
                    .label("denied here")
                    .help("remove it from the service's requirements, or put the service on another base"),
            );
        }
    }
    let Some(allow) = base.and_then(|base| base.allow.as_ref()) else {
        return;
    };
    let is_allowed = |pick: &&Pick| allow.values().any(|allowed| matches(allowed, &pick.name));
    for pick in inputs.packages.iter().filter(|pick| !is_allowed(pick)) {
        mistakes.push(
            refused(pick, "does not allow", allow.span)
                .label("only these are allowed")
                .help("add it here, or remove it from the service's requirements"),
        );
    }
}

/// Whether a name is meant; `*` in the pattern stands for any letters. Spelled as PEP 503 compares names.
fn matches(pattern: &str, name: &PackageName) -> bool {
    let pattern = pattern.to_ascii_lowercase().replace(['_', '.'], "-");
    let mut parts = pattern.split('*');
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = name.as_str().strip_prefix(first) else {
        return false;
    };
    let parts = parts.collect::<Vec<_>>();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.ends_with(last)
}

/// What is allowed and most likely not meant: CUDA's libraries in an image that is not for CUDA.
pub fn warnings(file: &SourceFile, manifest: &Manifest, service: &Service, plan: &Plan) -> Vec<Diagnostic> {
    let base = service.base.as_ref().and_then(|name| manifest.base(&name.value));
    let torch = service
        .torch
        .as_ref()
        .or(base.and_then(|base| base.torch.as_ref()))
        .or(manifest.torch.as_ref());
    let for_cuda = torch.is_some_and(|torch| torch.value.to_string().starts_with("cu"))
        || ["cuda", "nvidia"]
            .iter()
            .any(|word| plan.base.image.contains(word))
        || plan.image.environment.contains_key("NVIDIA_VISIBLE_DEVICES");
    let nvidia = plan
        .packages
        .iter()
        .filter(|pick| pick.name.as_str().starts_with("nvidia-"));
    let sizes = nvidia.map(|pick| pick.artifact.size()).collect::<Vec<_>>();
    if for_cuda || sizes.is_empty() {
        return Vec::new();
    }
    let (count, total) = (sizes.len(), bytes(sizes.iter().sum()));
    let packages = if count == 1 { "package" } else { "packages" };
    vec![
        Diagnostic::warning(format!(
            "service `{}` installs {count} nvidia {packages}, {total}, on `{}`, which is not for CUDA",
            plan.service, plan.base.image
        ))
        .at(file, plan.at)
        .help("without a GPU take CPU wheels: `torch: cpu`; `deny: [\"nvidia-*\"]` in the base forbids them")
        .help("with a GPU set NVIDIA_VISIBLE_DEVICES in `environment`, as the container runtime wants it"),
    ]
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn patterns_match_normalised_names() {
        let yes = |pattern: &str, name: &str| matches(pattern, &name.parse().unwrap());
        assert!(yes("Discord.py", "discord-py"));
        assert!(yes("nvidia-*", "nvidia-cublas-cu12") && !yes("nvidia-*", "pynvidia"));
        assert!(yes("*", "x") && yes("*-stubs", "pandas-stubs") && !yes("torch", "torchaudio"));
        assert!(yes("a*b*c", "a-b-b-c") && !yes("a*b*c", "a-c-b"));
    }
}
