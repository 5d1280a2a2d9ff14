//! The pipeline of one build: read, plan, lower, solve; platforms side by side.

use std::collections::BTreeMap;

use buildkit_llb::{Definition, Platform, Source, State, normalize_reference};
use futures_util::future::try_join_all;
use serde_json::json;

use super::load::{self, Loaded};
use super::{Failure, Options, Request, Tools, base, lock};
use crate::bridge::{Bridge, Engine, ImageQuery, Outcome, Ref, Refs};
use crate::diag::{Diagnostic, Diagnostics, Span, did_you_mean};
use crate::layers::{GraphProvider, find};
use crate::lower::{self, Context};
use crate::manifest::types::items;
use crate::manifest::{Manifest, ProjectPath, PythonMinor, Service, User};
use crate::plan::{self, Accounts, Inputs, Plan};
use crate::python::{Interpreter, Pick};

/// Builds the target for every platform.
pub(super) async fn build(
    bridge: &dyn Bridge,
    request: &Request,
    options: &Options,
) -> Result<Outcome, Failure> {
    let (engine, loaded) = futures_util::try_join!(
        async { Ok(bridge.ping().await?) },
        load::manifest(bridge, request, options),
    )?;
    let target = target(&loaded, options.target.as_deref())?;
    let platforms = platforms(&engine, &loaded.manifest, options)?;
    let tools = tools(request)?;
    let build = Build {
        bridge,
        options,
        engine: &engine,
        loaded: &loaded,
        target: &target,
        tools,
    };
    let results = try_join_all(platforms.iter().map(|platform| build.platform(platform))).await?;
    Ok(outcome(options, &platforms, results))
}

/// What is built.
#[derive(Debug)]
pub(super) struct Target {
    name: String,
    service: Service,
    at: Span,
    /// Only the base, without packages and code.
    base_only: bool,
}

/// The service or base that was asked for; one service needs no asking.
pub(super) fn target(loaded: &Loaded, asked: Option<&str>) -> Result<Target, Failure> {
    let manifest = &loaded.manifest;
    let names = || {
        manifest
            .services
            .iter()
            .map(|(name, _)| name.value.clone())
            .collect::<Vec<_>>()
    };
    let bases = || {
        manifest
            .bases
            .iter()
            .map(|(name, _)| format!("base:{}", name.value))
            .collect::<Vec<_>>()
    };
    let listed = || [names(), bases()].concat().join(", ");
    let Some(asked) = asked else {
        let [(name, service)] = manifest.services.as_slice() else {
            return Err(Diagnostic::error("the manifest has several services; which one?")
                .help(format!("name one with `--target`: {}", listed()))
                .into());
        };
        return Ok(Target {
            name: name.value.clone(),
            service: service.clone(),
            at: name.span,
            base_only: false,
        });
    };
    if let Some(name) = asked.strip_prefix("base:") {
        if let Some((key, _)) = manifest.bases.iter().find(|(key, _)| key.value == name) {
            let service = Service {
                base: Some(key.clone()),
                ..Service::default()
            };
            return Ok(Target {
                name: asked.to_owned(),
                service,
                at: key.span,
                base_only: true,
            });
        }
    } else if let Some((key, service)) = manifest.services.iter().find(|(key, _)| key.value == asked) {
        return Ok(Target {
            name: asked.to_owned(),
            service: service.clone(),
            at: key.span,
            base_only: false,
        });
    }
    let known = [names(), bases()].concat();
    Err(Diagnostic::error(format!(
        "there is no service `{asked}` in `{}`",
        loaded.file.name()
    ))
    .maybe_help(did_you_mean(asked, known.iter().map(String::as_str)))
    .help(format!("known: {}", listed()))
    .into())
}

/// The platforms asked for, else the manifest's, else the engine's own.
fn platforms(engine: &Engine, manifest: &Manifest, options: &Options) -> Result<Vec<Platform>, Failure> {
    let mut platforms = options.platforms.clone();
    if platforms.is_empty() {
        let named = items(manifest.platforms.as_ref())
            .iter()
            .filter_map(|text| text.parse::<Platform>().ok());
        platforms = named.collect();
    }
    if platforms.is_empty() {
        let own = engine.platforms.first().cloned();
        platforms.push(own.ok_or_else(|| Failure::Internal("the engine names no platform".to_owned()))?);
    }
    platforms.sort();
    platforms.dedup();
    if options.multi_platform == Some(false) && platforms.len() > 1 {
        return Err(
            Diagnostic::error("several platforms were asked for, and `multi-platform` is off").into(),
        );
    }
    Ok(platforms)
}

/// The tree that holds `unwheel`.
fn tools(request: &Request) -> Result<State, Failure> {
    match &request.tools {
        Tools::Image(definition) => {
            State::from_definition(definition).map_err(|error| Failure::Internal(error.to_string()))
        }
        Tools::Local(name) => Ok(Source::local(name)
            .session_id(&request.session)
            .include_patterns(["unwheel"])
            .shared_key_hint("wheelwright-tools")
            .name("[internal] load tools")
            .build()),
        Tools::None => Err(Failure::Internal(
            "this request came without the tools that unpack wheels".to_owned(),
        )),
    }
}

/// One platform's part of the result.
struct Built {
    result: Ref,
    config: Vec<u8>,
    base_config: Vec<u8>,
}

struct Build<'a> {
    bridge: &'a dyn Bridge,
    options: &'a Options,
    engine: &'a Engine,
    loaded: &'a Loaded,
    target: &'a Target,
    tools: State,
}

impl Build<'_> {
    async fn platform(&self, platform: &Platform) -> Result<Built, Failure> {
        let stand = self.stand();
        let query = ImageQuery {
            reference: self.reference(&stand)?,
            platform: platform.clone(),
            mode: self.options.resolve_mode,
        };
        let image = base::image(self.bridge, &query, &self.loaded.file, stand.image_at).await?;
        let cx = self.context(platform, &image.reference, base::environment(&image.config));
        let (plan, definition) = if self.target.base_only {
            let plan = self.plan(
                &cx,
                &Interpreter::assumed(self.minor(), &platform.architecture),
                &Accounts::default(),
                &[],
                Vec::new(),
            )?;
            let definition = lower::marshal(&lower::rootfs(&plan, &cx));
            (plan, definition)
        } else {
            self.service(&cx).await?
        };
        let result = self.solve(&definition).await?;
        let created = self
            .options
            .build_arg("SOURCE_DATE_EPOCH")
            .and_then(|text| text.parse().ok())
            .map(rfc3339);
        let labels = &self.options.labels;
        let config = if self.target.base_only {
            lower::base_config(&plan, &image.config, platform, labels, created.as_deref())
        } else {
            lower::config(&plan, &image.config, platform, labels, created.as_deref())
        };
        Ok(Built {
            result,
            config,
            base_config: image.config,
        })
    }

    /// The full name of the image, with Docker's registry where none is named.
    fn reference(&self, stand: &plan::BasePlan) -> Result<String, Failure> {
        normalize_reference(&stand.image).map_err(|error| {
            Diagnostic::error(format!("`{}` is not an image reference", stand.image))
                .at(&self.loaded.file, stand.image_at)
                .help(error.to_string())
                .into()
        })
    }

    /// A plan's base part, before anything is known of it.
    fn stand(&self) -> plan::BasePlan {
        plan::stand(&self.loaded.manifest, &self.target.service)
    }

    fn minor(&self) -> PythonMinor {
        let named = self.loaded.manifest.python.as_ref().map(|python| python.value);
        named.unwrap_or(PythonMinor { major: 3, minor: 11 })
    }

    async fn service(&self, cx: &Context) -> Result<(Plan, Definition), Failure> {
        let caches = &self.options.cache_imports;
        let rootfs = lower::stand_rootfs(&self.stand(), &self.target.name, cx);
        let asked = lower::stand_rootfs(&self.stand(), &self.target.name, &cx.on_build_platform());
        let at = self.stand().image_at;
        let wanted = self
            .loaded
            .manifest
            .python
            .as_ref()
            .map(|python| python.value.to_string())
            .unwrap_or_default();
        let (project, interpreter, accounts) = futures_util::try_join!(
            load::project(self.bridge, self.loaded, &self.target.service),
            base::interpreter(self.bridge, cx, rootfs.clone(), &wanted, at, caches),
            self.accounts(&rootfs),
        )?;
        let named = (self.target.name.as_str(), &self.target.service);
        let packages = lock::packages(
            self.bridge,
            self.loaded,
            named,
            &project,
            &interpreter,
            (cx, asked),
            caches,
        )
        .await?;
        let plan = self.plan(cx, &interpreter, &accounts, &project.requirements, packages)?;
        self.code_is_there(&plan, cx).await?;
        let found = find(&[&GraphProvider], &plan.layers).await;
        let definition = lower::marshal(&lower::image(&plan, &found, cx));
        Ok((plan, definition))
    }

    /// Users are looked up only where one is named.
    async fn accounts(&self, rootfs: &State) -> Result<Accounts, Failure> {
        match self.target.service.user.as_ref().map(|user| &user.value) {
            Some(User::Name(_)) => base::accounts(self.bridge, rootfs, &self.options.cache_imports).await,
            _ => Ok(Accounts::default()),
        }
    }

    fn plan(
        &self,
        cx: &Context,
        interpreter: &Interpreter,
        accounts: &Accounts,
        requirements: &[ProjectPath],
        packages: Vec<Pick>,
    ) -> Result<Plan, Failure> {
        let platform = cx.platform.to_string();
        let inputs = Inputs {
            file: &self.loaded.file,
            manifest: &self.loaded.manifest,
            name: &self.target.name,
            service: &self.target.service,
            at: self.target.at,
            platform: &platform,
            interpreter,
            assumed: self.target.base_only,
            accounts,
            requirements,
            packages,
        };
        Ok(plan::make(inputs)?)
    }

    /// Listed paths that are not there are told before anything is copied, all of them.
    async fn code_is_there(&self, plan: &Plan, cx: &Context) -> Result<(), Failure> {
        let paths = lower::context_paths(plan);
        if paths.is_empty() {
            return Ok(());
        }
        let source = lower::context_source(cx, &plan.service, &paths);
        let absent = load::absent(self.bridge, &source, &paths).await?;
        let place = |path| {
            let code = plan
                .code
                .iter()
                .find(|code| code.from == path)
                .map(|code| code.at);
            code.unwrap_or(self.target.at)
        };
        let mistakes = absent.into_iter().map(|path| {
            Diagnostic::error(format!("`{path}` is not in the repository"))
                .at(&self.loaded.file, place(path.clone()))
                .label("not there, or left out by .dockerignore")
                .help("paths are relative to the repository's root, the build context")
        });
        let mistakes = mistakes.collect::<Diagnostics>();
        if mistakes.is_empty() {
            Ok(())
        } else {
            Err(mistakes.into())
        }
    }

    fn context(&self, platform: &Platform, image: &str, environment: BTreeMap<String, String>) -> Context {
        let manifest = &self.loaded.manifest;
        Context {
            file: self.loaded.file.clone(),
            sources: self.loaded.sources.clone(),
            project: manifest.project().to_owned(),
            image: image.to_owned(),
            base_environment: environment,
            resolve_mode: self.options.resolve_mode,
            build_platform: self.engine.platforms.first().unwrap_or(platform).clone(),
            platform: platform.clone(),
            tools: self.tools.clone(),
            merge: self.engine.has("mergeop"),
            context: self.loaded.context.clone(),
            no_cache: self.options.no_cache,
            network: self.options.network,
            extra_hosts: self.options.extra_hosts.clone(),
            proxy: self.options.proxy(),
            cache_namespace: self
                .options
                .build_arg("BUILDKIT_CACHE_MOUNT_NS")
                .unwrap_or_default()
                .to_owned(),
            indexes: indexes(manifest),
        }
    }

    async fn solve(&self, definition: &Definition) -> Result<Ref, Failure> {
        definition.check(|cap| self.engine.has(cap)).map_err(|missing| {
            Diagnostic::error(format!("this engine is too old: {missing}"))
                .help("BuildKit 0.19 or Docker 28 and newer have it")
        })?;
        Ok(self
            .bridge
            .solve(definition.to_pb(), &self.options.cache_imports)
            .await?)
    }
}

fn indexes(manifest: &Manifest) -> Vec<(String, String, bool)> {
    let list = manifest.indexes.iter().flatten();
    list.map(|index| {
        let default = index.default.as_ref().is_some_and(|default| default.value);
        (index.name.value.clone(), index.url.value.clone(), default)
    })
    .collect()
}

/// Seconds since 1970 in RFC 3339.
fn rfc3339(seconds: i64) -> String {
    // Civil date from a day number: eras of 400 years, years that begin in March.
    let (days, rest) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let shifted = days + 719_468;
    let (era, day) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (year, day) = (year + era * 400, day - (153 * month + 2) / 5 + 1);
    let (year, month) = if month < 10 {
        (year, month + 3)
    } else {
        (year + 1, month - 9)
    };
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        rest / 3_600,
        rest % 3_600 / 60,
        rest % 60
    )
}

fn outcome(options: &Options, platforms: &[Platform], built: Vec<Built>) -> Outcome {
    let many = built.len() > 1 || options.multi_platform == Some(true);
    let mut metadata = BTreeMap::new();
    let mut refs = BTreeMap::new();
    let mut listed = Vec::new();
    for (platform, built) in platforms.iter().zip(built) {
        let id = platform.to_string();
        let suffix = if many { format!("/{id}") } else { String::new() };
        metadata.insert(format!("containerimage.config{suffix}"), built.config);
        metadata.insert(format!("containerimage.base.config{suffix}"), built.base_config);
        if let Some(epoch) = options.build_arg("SOURCE_DATE_EPOCH") {
            metadata.insert(format!("source.date.epoch{suffix}"), epoch.as_bytes().to_vec());
        }
        listed.push(json!({"ID": id, "Platform": oci(platform)}));
        refs.insert(id, built.result);
    }
    metadata.insert(
        "refs.platforms".to_owned(),
        json!({"Platforms": listed}).to_string().into_bytes(),
    );
    let refs = match refs.pop_first() {
        Some((_, one)) if !many => Refs::One(one),
        Some((id, one)) => {
            refs.insert(id, one);
            Refs::Many(refs)
        }
        None => Refs::None,
    };
    Outcome { refs, metadata }
}

/// A platform as OCI writes it.
fn oci(platform: &Platform) -> serde_json::Value {
    let mut value = json!({"architecture": platform.architecture, "os": platform.os});
    if !platform.variant.is_empty() {
        value["variant"] = json!(platform.variant);
    }
    value
}

#[cfg(test)]
mod tests {
    use super::rfc3339;

    #[test]
    fn times_are_written_in_utc() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(951_782_399), "2000-02-28T23:59:59Z");
        assert_eq!(rfc3339(951_782_400), "2000-02-29T00:00:00Z");
        assert_eq!(rfc3339(1_767_225_599), "2025-12-31T23:59:59Z");
    }
}
