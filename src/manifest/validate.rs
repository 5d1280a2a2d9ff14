//! What a single value cannot tell: references, required keys, combinations.

use super::fields::Cx;
use super::indexes;
use super::types::{Base, List, Manifest, Service, Table, items};
use crate::diag::{Diagnostic, Diagnostics, SourceFile, Span, Spanned, did_you_mean};

/// With base, bytecode and code this stays below 100.
const MOST_LAYERS: u32 = 80;

/// Checks an effective manifest (after `inherit`).
pub(super) fn check(file: &SourceFile, manifest: &Manifest, diagnostics: &mut Diagnostics) {
    let mut check = Check { file, diagnostics };
    check.names(manifest);
    check.platforms(manifest);
    check.layers(manifest);
    manifest
        .bytecode_image
        .iter()
        .for_each(|image| check.image(image));
    check.locks(manifest);
    let mut cx = Cx {
        file: check.file,
        diagnostics: &mut *check.diagnostics,
    };
    indexes::check(&mut cx, manifest);
    for (name, base) in &manifest.bases {
        check.base(name, base);
    }
    for (name, service) in &manifest.services {
        check.service(manifest, name, service);
    }
}

struct Check<'a> {
    file: &'a SourceFile,
    diagnostics: &'a mut Diagnostics,
}

impl Check<'_> {
    fn error(&mut self, span: Span, message: String, help: impl Into<String>) {
        self.diagnostics
            .push(Diagnostic::error(message).at(self.file, span).help(help));
    }

    fn names(&mut self, manifest: &Manifest) {
        let services = manifest.services.iter().map(|(name, _)| ("service", name));
        let bases = manifest.bases.iter().map(|(name, _)| ("base", name));
        let project = manifest.name.iter().map(|name| ("project", name));
        for (what, name) in services.chain(bases).chain(project) {
            if !is_name(name) {
                let message = format!("`{}` cannot be the name of a {what}", name.value);
                self.error(
                    name.span,
                    message,
                    "names hold lowercase letters, digits, `.`, `_` and `-`",
                );
            }
        }
    }

    fn platforms(&mut self, manifest: &Manifest) {
        for platform in items(manifest.platforms.as_ref()) {
            if let Err(error) = platform.parse::<buildkit_llb::Platform>() {
                let message = format!("`{}` is not a platform", platform.value);
                self.error(platform.span, message, error.to_string());
            }
        }
    }

    fn layers(&mut self, manifest: &Manifest) {
        let Some(layers) = &manifest.layers else { return };
        let own = items(layers.own.as_ref());
        self.package_names(layers.own.as_ref());
        let max = layers.max.as_ref().map_or(36, |max| max.value);
        if let Some(given) = &layers.max
            && !(3..=MOST_LAYERS).contains(&max)
        {
            let message = format!("`{max}` is not a number of layers");
            self.error(
                given.span,
                message,
                format!("expected 3 to {MOST_LAYERS}: engines stop at about 120 layers in all"),
            );
        } else if let Some(list) = &layers.own
            && own.len() > max as usize / 3
        {
            let message = format!(
                "{} packages want layers of their own, there is room for {}",
                own.len(),
                max / 3
            );
            self.error(list.span, message, "name fewer, or raise `max`");
        }
    }

    /// Two services may read one lock; each that makes one needs a file of its own.
    fn locks(&mut self, manifest: &Manifest) {
        let made = || {
            let services = manifest.services.iter();
            services
                .filter_map(|(_, service)| service.requirements.is_some().then_some(service.lock.as_ref()?))
        };
        for (n, lock) in made().enumerate() {
            if let Some(first) = made().take(n).find(|other| other.value == lock.value) {
                self.diagnostics.push(
                    Diagnostic::error(format!("two services make the lock `{}`", lock.value))
                        .at(self.file, lock.span)
                        .related(first.span, "made here, too")
                        .help("give each a file of its own"),
                );
            }
        }
    }

    fn base(&mut self, name: &Spanned<String>, base: &Base) {
        match &base.image {
            None if base.extends.is_none() => {
                let message = format!("base `{}` names no image", name.value);
                self.error(
                    name.span,
                    message,
                    "add `image: python:3.11-slim`, or `extends:` another base",
                );
            }
            Some(image) => self.image(image),
            None => {}
        }
        self.packages(base.packages.as_ref());
        self.packages(base.build_packages.as_ref());
        self.package_patterns(base.deny.as_ref());
        self.package_patterns(base.allow.as_ref());
        self.environment(base.environment.as_ref());
    }

    fn service(&mut self, manifest: &Manifest, name: &Spanned<String>, service: &Service) {
        self.stands_on(manifest, name, service);
        if let (Some(project), Some(requirements)) = (&service.project, &service.requirements) {
            self.diagnostics.push(
                Diagnostic::error(format!(
                    "service `{}` has both a project and requirements",
                    name.value
                ))
                .at(self.file, project.span)
                .related(requirements.span, "requirements given here")
                .help("keep `project`, or keep `requirements`"),
            );
        }
        for (key, list) in [("extras", &service.extras), ("groups", &service.groups)] {
            if let (Some(list), None, None) = (list, &service.project, &service.lock) {
                let message = format!(
                    "service `{}` has `{key}` but nothing that could have them",
                    name.value
                );
                self.error(list.span, message, "they go with `project` or `lock`");
            }
        }
        self.packages(service.packages.as_ref());
        self.packages(service.build_packages.as_ref());
        self.modules(service.smoke.as_ref());
        self.absolute(service.working_dir.as_ref(), "working_dir");
        for volume in items(service.volumes.as_ref()) {
            self.absolute(Some(volume), "volumes");
        }
        for file in service.files.iter().flatten() {
            self.absolute(Some(&file.target), "target");
        }
        self.environment(service.environment.as_ref());
        let runs = items(service.command.as_ref()).len() + items(service.entrypoint.as_ref()).len();
        // Beside errors the command may be among what is wrong.
        if runs == 0 && !self.diagnostics.has_errors() {
            self.diagnostics.push(
                Diagnostic::warning(format!("service `{}` has no command", name.value))
                    .at(self.file, name.span)
                    .help("the base image's own command will run; add `command: [python, -m, …]`"),
            );
        }
    }

    fn environment(&mut self, environment: Option<&Table<Spanned<String>>>) {
        for (variable, value) in environment.into_iter().flatten() {
            if variable.is_empty() || variable.contains(['=', '\0', ' ']) {
                let message = format!("`{}` is not a name of an environment variable", variable.value);
                self.error(variable.span, message, "names hold letters, digits and `_`");
            }
            if value.contains('\0') {
                let message = format!("the value of `{}` holds a zero byte", variable.value);
                self.error(value.span, message, "no program can be given such a value");
            }
            // A literal `$PATH` in PATH leaves a container without its programs; elsewhere a `$` may be meant.
            if variable.value == "PATH" && value.contains('$') {
                self.diagnostics.push(
                    Diagnostic::warning("`PATH` holds a `$`, and values are not expanded")
                        .at(self.file, value.span)
                        .help("list all folders, the base image's included; `/opt/venv/bin` is put in front of them"),
                );
            }
        }
    }

    fn stands_on(&mut self, manifest: &Manifest, name: &Spanned<String>, service: &Service) {
        match (&service.base, &service.image) {
            (Some(base), None) if manifest.base(&base.value).is_none() => {
                let known = manifest.bases.iter().map(|(name, _)| name.value.as_str());
                let listed = known.clone().collect::<Vec<_>>().join(", ");
                let help = did_you_mean(base, known).unwrap_or_else(|| match listed.as_str() {
                    "" => "no bases are declared; add one under `bases:`".to_owned(),
                    listed => format!("declared bases: {listed}"),
                });
                self.diagnostics.push(
                    Diagnostic::error(format!(
                        "service `{}` stands on `{}`, which is not declared",
                        name.value, base.value
                    ))
                    .at(self.file, base.span)
                    .label("no base with this name")
                    .help(help),
                );
            }
            (Some(_), None) => {}
            (None, Some(image)) => self.image(image),
            (Some(base), Some(image)) => self.diagnostics.push(
                Diagnostic::error(format!("service `{}` has both a base and an image", name.value))
                    .at(self.file, image.span)
                    .related(base.span, "base given here")
                    .help("keep one of them"),
            ),
            (None, None) => {
                let message = format!("service `{}` stands on nothing", name.value);
                self.error(
                    name.span,
                    message,
                    "add `base:` with a name from `bases:`, or `image:`",
                );
            }
        }
    }

    fn image(&mut self, image: &Spanned<String>) {
        if let Err(error) = buildkit_llb::normalize_reference(image) {
            let message = format!("`{}` is not an image reference", image.value);
            let problem = format!("{}, such as `python:3.11-slim`", error.problem);
            self.error(image.span, message, problem);
        }
    }

    fn packages(&mut self, packages: Option<&List<String>>) {
        for package in items(packages) {
            // `=` pins a version, `:` names an architecture, `/` a release; nothing may look like an option.
            let allowed = |c: char| c.is_ascii_alphanumeric() || "+-.=:~/_<>".contains(c);
            if package.is_empty() || package.starts_with('-') || !package.chars().all(allowed) {
                let message = format!("`{}` is not the name of a system package", package.value);
                self.error(package.span, message, "expected a name such as `libsndfile1`");
            }
        }
    }

    fn package_names(&mut self, names: Option<&List<String>>) {
        for name in items(names).iter().filter(|name| !is_package(name)) {
            let message = format!("`{}` is not the name of a package", name.value);
            self.error(
                name.span,
                message,
                "expected a name without a version, such as `torch`",
            );
        }
    }

    fn package_patterns(&mut self, names: Option<&List<String>>) {
        for name in items(names)
            .iter()
            .filter(|name| !is_package(&name.replace('*', "x")))
        {
            let message = format!("`{}` is not the name of a package", name.value);
            self.error(
                name.span,
                message,
                "expected a name such as `torch`, or a pattern such as `nvidia-*`",
            );
        }
    }

    fn modules(&mut self, modules: Option<&List<String>>) {
        for module in items(modules).iter().filter(|module| !is_module(module)) {
            let message = format!("`{}` is not the name of a module", module.value);
            self.error(
                module.span,
                message,
                "expected what `import` takes, such as `yaml` or `google.protobuf`",
            );
        }
    }

    fn absolute(&mut self, path: Option<&Spanned<String>>, key: &str) {
        let Some(path) = path else { return };
        if !path.starts_with('/') || path.split('/').any(|part| part == "..") {
            let message = format!("`{}` is not an absolute path", path.value);
            self.error(
                path.span,
                message,
                format!("`{key}` is a path in the image, such as `/app`"),
            );
        }
    }
}

fn is_name(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
    name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(allowed)
}

/// Whether it may name a Python package (PEP 508).
fn is_package(name: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_alphanumeric();
    name.starts_with(alphanumeric)
        && name.ends_with(alphanumeric)
        && name
            .chars()
            .all(|c| alphanumeric(c) || matches!(c, '.' | '_' | '-'))
}

/// Whether it may name a module: identifiers with dots between them.
fn is_module(name: &str) -> bool {
    name.split('.').all(|part| {
        part.starts_with(|c: char| c.is_alphabetic() || c == '_')
            && part.chars().all(|c| c.is_alphanumeric() || c == '_')
    })
}
