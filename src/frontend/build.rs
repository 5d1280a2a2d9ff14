//! The pipeline of one build: read, plan, lower, solve; platforms side by side.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use buildkit_llb::{Definition, Platform, Source, State, normalize_reference};
use futures_util::future::try_join_all;

use super::listed;
use super::load::{self, Loaded};
use super::outcome::{Built, outcome, rfc3339};
use super::providers::records;
use super::store::Chosen;
use super::target::{Target, platforms, target};
use super::{
    Failure, Options, Origin, Project, Request, Tools, base, census, compiler, emulate, lock, shell,
};
use crate::bridge::{Bridge, Engine, ImageQuery, Outcome, Place, Ref, ResolvedImage};
use crate::diag::{Diagnostic, Span};
use crate::layers::Found;
use crate::lower::{self, Compiler, Context, Folders};
use crate::manifest::{ProjectPath, PythonMinor, User};
use crate::plan::{self, Accounts, Files, Inputs, Plan};
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
        request,
        options,
        engine: &engine,
        loaded: &loaded,
        target: &target,
        tools,
        notes: Mutex::default(),
    };
    let ((), results) = futures_util::try_join!(
        build.ahead(),
        try_join_all(platforms.iter().map(|platform| async {
            let built = build.platform(platform).await;
            match built {
                Err(failure) => Err(build.without_shell(failure, platform).await),
                built => built,
            }
        })),
    )?;
    Ok(outcome(options, &platforms, results))
}

/// The tree that holds `unwheel`.
pub(super) fn tools(request: &Request) -> Result<State, Failure> {
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

/// What the stages of a build share.
pub(super) struct Build<'a> {
    pub(super) bridge: &'a dyn Bridge,
    pub(super) request: &'a Request,
    pub(super) options: &'a Options,
    pub(super) engine: &'a Engine,
    pub(super) loaded: &'a Loaded<'a>,
    pub(super) target: &'a Target,
    pub(super) tools: State,
    /// What was said already.
    pub(super) notes: Mutex<BTreeSet<String>>,
}

/// What packages are resolved on.
pub(super) struct Ground {
    pub(super) cx: Context,
    pub(super) interpreter: Interpreter,
    /// The root file system, on the engine's own platform.
    pub(super) root: State,
    /// Where the base's image is named.
    pub(super) at: Span,
}

/// A service that is planned.
pub(super) struct Service {
    pub(super) plan: Plan,
    /// The image's file system.
    pub(super) tree: State,
    /// What the steps that unpack its wheels know of them.
    pub(super) facts: Vec<State>,
    /// Where each of the plan's layers comes from.
    pub(super) found: Vec<Found>,
    pub(super) cx: Context,
}

impl Build<'_> {
    /// What the target's packages are resolved on, for a platform.
    pub(super) async fn ground(&self, platform: &Platform) -> Result<Ground, Failure> {
        let image = self.image(platform).await?;
        let cx = self.context(platform, &image.reference, base::environment(&image.config));
        let stand = self.stand();
        let rootfs = lower::stand_rootfs(&stand, &self.target.name, &cx);
        let root = lower::stand_rootfs(&stand, &self.target.name, &cx.on_build_platform());
        let caches = &self.options.cache_imports;
        let python = self.python();
        let python = base::python(self.bridge, &cx, rootfs, &python, stand.image_at, caches).await?;
        let interpreter = base::interpreter(python, &cx, stand.image_at)?;
        Ok(Ground {
            cx,
            interpreter,
            root,
            at: stand.image_at,
        })
    }

    async fn image(&self, platform: &Platform) -> Result<ResolvedImage, Failure> {
        let stand = self.stand();
        let query = ImageQuery {
            reference: self.reference(&stand)?,
            platform: platform.clone(),
            mode: self.options.resolve_mode,
            place: Place::Registry,
            log_name: None,
            keyed: false,
        };
        base::image(self.bridge, &query, &self.loaded.file, stand.image_at).await
    }

    /// The Python that the manifest names; empty when it names none.
    pub(super) fn python(&self) -> String {
        let python = self.loaded.manifest.python.as_ref();
        python.map_or_else(String::new, |python| python.value.to_string())
    }

    /// The same failure, told as what it is if a step failed because the base has no shell.
    async fn without_shell(&self, failure: Failure, platform: &Platform) -> Failure {
        if !shell::may_be_missing(&failure) {
            return failure;
        }
        let Ok(image) = self.image(platform).await else {
            return failure;
        };
        let cx = self.context(platform, &image.reference, base::environment(&image.config));
        shell::told(self.bridge, failure, &cx, self.stand().image_at).await
    }

    async fn platform(&self, platform: &Platform) -> Result<Built, Failure> {
        let (image, (project, files), ()) = futures_util::try_join!(
            self.image(platform),
            self.loaded.project((&self.target.name, &self.target.service)),
            self.code_is_there(),
        )?;
        let cx = self.context(platform, &image.reference, base::environment(&image.config));
        emulate::base(self.engine, platform, &self.loaded.file, &self.stand())?;
        self.unused(&files).await?;
        let service = if self.target.base_only {
            let plan = self.plan(
                &cx,
                &Interpreter::assumed(self.minor(), &platform.architecture),
                &Accounts::default(),
                (&Project::default(), &files),
                Vec::new(),
            )?;
            let tree = lower::rootfs(&plan, &cx);
            Service {
                plan,
                tree,
                facts: Vec::new(),
                found: Vec::new(),
                cx,
            }
        } else {
            self.service(&cx, (&project, &files)).await?
        };
        let made = futures_util::try_join!(
            self.solve(lower::marshal(&service.tree)),
            self.together(&service, &project),
        );
        let result = match made {
            Ok((result, ())) => result,
            Err(failure) => return Err(self.explained(failure, &service).await),
        };
        let Service { plan, tree, cx, .. } = service;
        let created = self
            .options
            .build_arg("SOURCE_DATE_EPOCH")
            .and_then(|text| text.parse().ok())
            .map(rfc3339);
        let labels = &self.options.labels;
        let config = if self.target.base_only {
            lower::base_config(&plan, &image.config, &cx, labels, created.as_deref())
        } else {
            lower::config(&plan, &image.config, &cx, labels, created.as_deref())
        };
        if !plan.smoke.is_empty() && !self.only_gathers() {
            let smoke = lower::marshal(&lower::smoke(&plan, tree, &config, &cx));
            self.bridge.evaluate(&self.solve(smoke).await?).await?;
        }
        Ok(Built {
            result,
            config,
            base_config: image.config,
        })
    }

    /// Local folders are on their way while the engine looks at the base: the graph will need them. When the engine
    /// was asked whether the code is there, it has that already.
    async fn ahead(&self) -> Result<(), Failure> {
        let mut folders = Vec::new();
        if matches!(self.request.tools, Tools::Local(_)) {
            folders.push(self.tools.clone());
        }
        let paths = self.code_paths();
        if matches!(self.request.origin, Origin::Disk { .. }) && !paths.is_empty() {
            folders.push(self.code(&paths));
        }
        let send = async |folder: State| {
            let result = self.bridge.solve(lower::marshal(&folder).into_pb(), &[]).await?;
            self.bridge.evaluate(&result).await
        };
        try_join_all(folders.into_iter().map(send)).await?;
        Ok(())
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
    pub(super) fn stand(&self) -> plan::BasePlan {
        plan::stand(&self.loaded.manifest, &self.target.service)
    }

    fn minor(&self) -> PythonMinor {
        let named = self.loaded.manifest.python.as_ref().map(|python| python.value);
        named.unwrap_or_else(|| census::minor_of(&self.stand().image))
    }

    async fn service(&self, cx: &Context, (project, files): (&Project, &Files)) -> Result<Service, Failure> {
        let caches = &self.options.cache_imports;
        let asked = lower::stand_rootfs(&self.stand(), &self.target.name, &cx.on_build_platform());
        let at = self.stand().image_at;
        let chosen = Chosen::new(&self.loaded.manifest, self.options)?;
        let records = records(project)?;
        let stores = self.stores(cx, chosen.as_ref(), &records);
        let ((facts, known), compiler) =
            futures_util::try_join!(self.of_base(cx, &stores), self.compiler(cx, self.minor(), &asked),)?;
        let interpreter = base::interpreter(facts.python, cx, at)?;
        let compiler = match compiler {
            Some(_) if interpreter.minor != self.minor() => {
                self.compiler(cx, interpreter.minor, &asked).await?
            }
            compiler => compiler,
        };
        let cx = &Context {
            compiler,
            ..cx.clone()
        };
        let named = (self.target.name.as_str(), &self.target.service);
        self.pinned_together(project, &interpreter).await?;
        let packages = lock::packages(
            self.bridge,
            self.loaded,
            named,
            project,
            &interpreter,
            (cx, asked),
            caches,
        )
        .await?;
        self.locked_together(project, &interpreter, &packages).await?;
        if let (None, Some(made)) = (&project.lock, &project.made) {
            self.note(made.unlocked(&self.target.name, &packages)).await?;
        }
        let plan = self.plan(cx, &interpreter, &facts.accounts, (project, files), packages)?;
        emulate::service(self.engine, &cx.platform, &self.loaded.file, &plan)?;
        for warning in plan::warnings(
            &self.loaded.file,
            &self.loaded.manifest,
            &self.target.service,
            &plan,
        ) {
            self.say(warning).await?;
        }
        let found = self.layers(cx, &plan, &stores).await?;
        self.gather(cx, (&plan, &found), (chosen.as_ref(), project), known);
        if self.only_gathers() {
            return Ok(Service {
                plan,
                tree: State::scratch(),
                facts: Vec::new(),
                found,
                cx: cx.clone(),
            });
        }
        let cx = Context {
            folders: facts.folders,
            ..cx.clone()
        };
        let lower::Image { tree, facts } = lower::image(&plan, &found, &cx);
        Ok(Service {
            plan,
            tree,
            facts,
            found,
            cx,
        })
    }

    /// Says something once, however many platforms it is true of.
    pub(super) async fn note(&self, text: String) -> Result<(), Failure> {
        self.say(Diagnostic::warning(text)).await
    }

    pub(super) async fn say(&self, warning: Diagnostic) -> Result<(), Failure> {
        let new = self
            .notes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(warning.message.clone());
        if new {
            self.loaded.warn(self.bridge, &warning).await?;
        }
        Ok(())
    }

    /// What compiles the service's bytecode; none where it has none.
    async fn compiler(
        &self,
        cx: &Context,
        minor: PythonMinor,
        asked: &State,
    ) -> Result<Option<Compiler>, Failure> {
        let manifest = &self.loaded.manifest;
        if !plan::bytecode(manifest, &self.target.service) {
            return Ok(None);
        }
        let named = manifest.bytecode_image.as_ref();
        compiler::find(self.bridge, cx, named, minor, asked)
            .await
            .map(Some)
    }

    /// Users are looked up only where one is named, folders only where layers are merged over them.
    pub(super) fn wanted(&self, cx: &Context) -> base::Wanted {
        let service = &self.target.service;
        let user = service.user.as_ref().map(|user| &user.value);
        let folders = || {
            let (code, files) = (plan::code(service), plan::files(service));
            lower::folders_of(service.working_dir(), &code, &files)
        };
        base::Wanted {
            accounts: matches!(user, Some(User::Name(_))),
            folders: if cx.merge { folders() } else { Vec::new() },
        }
    }

    fn plan(
        &self,
        cx: &Context,
        interpreter: &Interpreter,
        accounts: &Accounts,
        (project, files): (&Project, &Files),
        packages: Vec<Pick>,
    ) -> Result<Plan, Failure> {
        let platform = cx.platform.to_string();
        let census = if packages.is_empty() {
            Arc::default()
        } else {
            census::take(&self.loaded.file, &self.loaded.manifest, files, &platform)
        };
        let inputs = Inputs {
            file: &self.loaded.file,
            manifest: &self.loaded.manifest,
            name: &self.target.name,
            service: &self.target.service,
            at: self.target.at,
            platform: &platform,
            image: &cx.image,
            interpreter,
            assumed: self.target.base_only,
            accounts,
            requirements: project.resolved_from(),
            packages,
            files,
            census: &census,
        };
        Ok(plan::make(inputs)?)
    }

    /// The paths of the repository that the service lists.
    fn code_paths(&self) -> Vec<ProjectPath> {
        let service = &self.target.service;
        lower::context_paths(&plan::code(service), &plan::files(service))
    }

    /// The repository narrowed to them.
    fn code(&self, paths: &[ProjectPath]) -> State {
        lower::narrowed(&self.loaded.context, &self.target.name, paths)
    }

    /// Listed paths that are not there are told before anything is copied, all of them.
    async fn code_is_there(&self) -> Result<(), Failure> {
        let listed = listed::of(&self.target.service);
        if listed.is_empty() {
            return Ok(());
        }
        let source = self.code(&self.code_paths());
        let mistakes = self.loaded.mistakes_in(&source, &listed).await?;
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
            compiler: None,
            merge: self.engine.has("mergeop"),
            symlinks: self.engine.has("file.symlink.create"),
            folders: Folders::new(),
            context: self.loaded.context.clone(),
            no_cache: self.options.no_cache,
            network: self.options.network,
            extra_hosts: self.options.extra_hosts.clone(),
            proxy: self.options.proxy(),
            build_args: self.options.build_args.clone(),
            cache_namespace: self
                .options
                .build_arg("BUILDKIT_CACHE_MOUNT_NS")
                .unwrap_or_default()
                .to_owned(),
            indexes: plan::Indexes {
                engine_login: self.engine.has("source.http.auth"),
                ..plan::Indexes::of(manifest, self.options.mirrors.clone())
            },
        }
    }

    pub(super) async fn solve(&self, definition: Definition) -> Result<Ref, Failure> {
        definition.check(|cap| self.engine.has(cap)).map_err(|missing| {
            Diagnostic::error(format!("this engine is too old: {missing}"))
                .help("BuildKit 0.11 or Docker 23 and newer have it")
        })?;
        Ok(self
            .bridge
            .solve(definition.into_pb(), &self.options.cache_imports)
            .await?)
    }
}
