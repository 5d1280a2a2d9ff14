//! A layer that is wanted: found in the cache, or made of its wheels, or of a tree that an engine made.
//!
//! Downloads run side by side, and a layer is made as soon as its own wheels are there, so the network and the processors
//! are busy at the same time. What two ask for at once is made once, be it in one process or in two.

use std::collections::BTreeMap;
use std::io::{self, BufWriter, Write};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::try_join_all;
use tokio::sync::Semaphore;

use super::{Cache, Fetch, FetchError, Held, Remote};
use crate::layers::{Format, LayerRecord, Wanted};
use crate::python::{Artifact, Pick};

/// How hard zstd layers are compressed: the library's own choice.
const ZSTD_LEVEL: i32 = 3;

/// Makes layers.
#[derive(Debug, Clone)]
pub struct Maker {
    cache: Cache,
    fetch: Fetch,
    /// One layer a processor at a time.
    processors: Arc<Semaphore>,
}

/// A layer that is there.
#[derive(Debug)]
pub struct Layer {
    /// What it is.
    pub record: LayerRecord,
    /// Its bytes.
    pub blob: Held,
    /// Whether it was there already.
    pub cached: bool,
}

/// What happens while a layer is made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// It is not in the cache and is being made now.
    Started,
    /// More of one of its wheels has come.
    Wheel {
        /// Its file name.
        file: String,
        /// Bytes that are there.
        current: u64,
        /// Bytes of the whole; zero when the lock does not say.
        total: u64,
        /// It is complete.
        done: bool,
    },
}

/// Why a layer could not be made here.
#[derive(Debug, thiserror::Error)]
pub enum MakeError {
    /// A wheel could not be had.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// A wheel is broken.
    #[error("{layer} cannot be laid down: {}", list(.errors))]
    Wheel {
        /// The layer.
        layer: String,
        /// Everything that is wrong with its wheels.
        errors: Vec<unwheel::Error>,
    },
    /// The cache cannot be written.
    #[error("the cache cannot be used: {0}")]
    Cache(#[from] io::Error),
    /// A file of the repository is not the one that the lock names.
    #[error("`{file}` has sha256 {found}, the lock says {expected}")]
    Other {
        /// Its name.
        file: String,
        /// Its digest in the lock.
        expected: String,
        /// Its digest.
        found: String,
    },
    /// It takes more than laying down wheels.
    #[error("{0} is not a file of an index, it needs an engine")]
    NeedsEngine(String),
}

fn list(errors: &[unwheel::Error]) -> String {
    let lines = errors.iter().map(ToString::to_string);
    lines.collect::<Vec<_>>().join("; ")
}

impl MakeError {
    /// Whether an engine may do better: it has another network, other credentials and another disk. What is wrong with
    /// the files themselves is wrong everywhere.
    pub fn is_of_this_machine(&self) -> bool {
        match self {
            Self::Fetch(error) => error.is_of_this_machine(),
            Self::Wheel { .. } | Self::Other { .. } => false,
            Self::Cache(_) | Self::NeedsEngine(_) => true,
        }
    }

    /// What the user can do about it.
    pub fn help(&self) -> Option<&'static str> {
        match self {
            Self::Fetch(error) => error.help(),
            _ => None,
        }
    }
}

impl Maker {
    /// Makes layers with what `fetch` brings, in `cache`.
    pub fn new(cache: Cache, fetch: Fetch) -> Self {
        let processors = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
        Self {
            cache,
            fetch,
            processors: Arc::new(Semaphore::new(processors)),
        }
    }

    /// The cache.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// Whether all that a layer is made of are files of an index.
    pub fn can_make(wanted: &Wanted<'_>) -> bool {
        wanted.is_of_wheels() && wanted.packages().all(|pick| remote(pick).is_some())
    }

    /// A layer, if it is in the cache.
    pub fn known(&self, wanted: &Wanted<'_>, format: Format) -> Option<Layer> {
        let (record, blob) = self.cache.layer(&wanted.layer.key, format)?;
        let cached = true;
        Some(Layer { record, blob, cached })
    }

    /// The layer that is `wanted`. `news` is told when it has to be made.
    pub async fn layer(
        &self,
        wanted: &Wanted<'_>,
        format: Format,
        news: &(dyn Fn(News) + Send + Sync),
    ) -> Result<Layer, MakeError> {
        self.layer_with(wanted, format, &BTreeMap::new(), news).await
    }

    /// The same where some of its wheels are at hand as files, by their place among its packages.
    pub async fn layer_with(
        &self,
        wanted: &Wanted<'_>,
        format: Format,
        at_hand: &BTreeMap<usize, PathBuf>,
        news: &(dyn Fn(News) + Send + Sync),
    ) -> Result<Layer, MakeError> {
        let wheels = async {
            let sources = wanted
                .packages()
                .enumerate()
                .map(|(place, pick)| match at_hand.get(&place) {
                    Some(path) => Ok(Source::File(path.clone(), pick.artifact.clone())),
                    None => remote(pick)
                        .map(Source::Index)
                        .ok_or_else(|| MakeError::NeedsEngine(pick.name.to_string())),
                })
                .collect::<Result<Vec<_>, _>>()?;
            let wheels = try_join_all(sources.into_iter().map(|source| self.source(source, news))).await?;
            Ok(Material::Wheels(wheels))
        };
        self.make(wanted, format, wheels, news).await
    }

    /// A layer that holds what is in a folder, as an engine made it.
    pub async fn layer_of(
        &self,
        wanted: &Wanted<'_>,
        format: Format,
        folder: &Path,
    ) -> Result<Layer, MakeError> {
        let tree = async { Ok(Material::Tree(folder.to_owned())) };
        self.make(wanted, format, tree, &|_| {}).await
    }

    /// From the cache, else made of what `material` brings.
    async fn make(
        &self,
        wanted: &Wanted<'_>,
        format: Format,
        material: impl Future<Output = Result<Material, MakeError>> + Send,
        news: &(dyn Fn(News) + Send + Sync),
    ) -> Result<Layer, MakeError> {
        if let Some(layer) = self.known(wanted, format) {
            return Ok(layer);
        }
        let _claim = self
            .cache
            .claim(&format!("{}.{format}", wanted.layer.key))
            .await?;
        if let Some(layer) = self.known(wanted, format) {
            return Ok(layer);
        }
        news(News::Started);
        let material = material.await?;
        // The semaphore is never closed.
        let _processor = self.processors.acquire().await;
        let job = Job {
            cache: self.cache.clone(),
            wanted: Names::of(wanted),
            material,
            format,
            stop: Arc::default(),
        };
        let (record, blob) = job.run().await?;
        Ok(Layer {
            record,
            blob,
            cached: false,
        })
    }

    async fn source(&self, source: Source, news: &(dyn Fn(News) + Send + Sync)) -> Result<Wheel, MakeError> {
        match source {
            Source::Index(remote) => self.wheel(remote, news).await.map(Wheel::Held),
            Source::File(path, artifact) => blocking(move || at_hand(path, &artifact)).await,
        }
    }

    /// A wheel from the cache or the index.
    async fn wheel(&self, remote: Remote, news: &(dyn Fn(News) + Send + Sync)) -> Result<Held, MakeError> {
        let _claim = self.cache.claim(&remote.sha256).await?;
        let (cache, asked) = (self.cache.clone(), remote.clone());
        let known = blocking(move || Ok(cache.wheel(&asked.sha256, &asked.filename))).await?;
        if let Some(held) = known {
            return Ok(held);
        }
        let tell = |current, done| {
            news(News::Wheel {
                file: remote.filename.clone(),
                current,
                total: remote.size,
                done,
            });
        };
        let (path, file) = self.cache.part(&remote.sha256)?;
        // What came is worth keeping when the download breaks off; nothing at all is not worth a file.
        let outcome = self
            .fetch
            .download(&remote, file, &|current| tell(current, false))
            .await;
        if outcome.is_err() && fs_err::metadata(&path).is_ok_and(|part| part.len() == 0) {
            drop(fs_err::remove_file(&path));
        }
        tell(remote.size, true);
        outcome?;
        Ok(self.cache.keep_wheel(&remote.sha256, &remote.filename, &path)?)
    }
}

/// Where a wheel comes from.
enum Source {
    Index(Remote),
    /// A file, for this package.
    File(PathBuf, Artifact),
}

/// A wheel that is there.
enum Wheel {
    Held(Held),
    File(PathBuf),
}

/// What a layer is made of.
enum Material {
    Wheels(Vec<Wheel>),
    Tree(PathBuf),
}

/// A file that is at hand; one that the lock names by its digest must have it.
fn at_hand(path: PathBuf, artifact: &Artifact) -> Result<Wheel, MakeError> {
    if let Artifact::Wheel(file) = artifact {
        let found = super::cache::digest(fs_err::File::open(&path)?.file())?;
        if found != file.sha256.hex() {
            return Err(MakeError::Other {
                file: file.filename.clone(),
                expected: file.sha256.hex().to_owned(),
                found,
            });
        }
    }
    Ok(Wheel::File(path))
}

/// Where the file of a package is, if it is a wheel of an index.
pub(super) fn remote(pick: &Pick) -> Option<Remote> {
    let Artifact::Wheel(file) = &pick.artifact else {
        return None;
    };
    let url = file.url()?;
    let is_http = url.starts_with("https://") || url.starts_with("http://");
    is_http.then(|| Remote {
        package: format!("{} {}", pick.name, pick.version),
        filename: file.filename.clone(),
        url: url.to_owned(),
        sha256: file.sha256.hex().to_owned(),
        size: file.size,
    })
}

/// What a thread has to know of the layer it makes.
struct Names {
    key: crate::layers::LayerKey,
    title: String,
    venv: String,
    minor: String,
}

impl Names {
    fn of(wanted: &Wanted<'_>) -> Self {
        Self {
            key: wanted.layer.key.clone(),
            title: wanted.title(),
            venv: wanted.venv.to_owned(),
            minor: wanted.minor.to_string(),
        }
    }
}

/// One layer on its way from wheels to bytes.
struct Job {
    cache: Cache,
    wanted: Names,
    material: Material,
    format: Format,
    /// Set when nobody waits any more.
    stop: Arc<AtomicBool>,
}

impl Job {
    /// On a thread for such work; ends early when the future is dropped.
    async fn run(self) -> Result<(LayerRecord, Held), MakeError> {
        let _stop = StopOnDrop(self.stop.clone());
        blocking(move || self.make()).await
    }

    fn make(self) -> Result<(LayerRecord, Held), MakeError> {
        let broken = |errors: Vec<unwheel::Error>| {
            let disk = errors
                .iter()
                .find(|error| error.kind() == unwheel::ErrorKind::Io)
                .map(|error| io::Error::other(error.to_string()));
            match disk {
                Some(error) => MakeError::Cache(error),
                None => MakeError::Wheel {
                    layer: self.wanted.title.clone(),
                    errors,
                },
            }
        };
        let file = self.cache.writing()?;
        let mut out = Stoppable {
            out: BufWriter::with_capacity(1 << 18, file.as_file()),
            stop: &self.stop,
        };
        let Written {
            layer,
            facts,
            licenses,
        } = self.write(&mut out)?.map_err(broken)?;
        out.flush()?;
        drop(out);
        let record = LayerRecord {
            key: self.wanted.key.clone(),
            format: self.format,
            digest: layer.digest,
            diff_id: layer.diff_id,
            size: layer.size,
            unpacked: layer.unpacked,
            toc_digest: layer.toc_digest,
            facts,
            licenses,
        };
        let held = self.cache.keep_layer(&record, file)?;
        Ok((record, held))
    }

    /// Writes the layer's bytes, and says what is known of its wheels; the inner error is that of what it is made of.
    fn write(&self, out: &mut dyn Write) -> Result<Result<Written, Vec<unwheel::Error>>, MakeError> {
        let format = packing(self.format);
        let wheels = match &self.material {
            Material::Wheels(wheels) => wheels,
            Material::Tree(folder) => {
                return Ok(unwheel::write_tree(folder, &format, out).map(|layer| Written {
                    layer,
                    facts: None,
                    licenses: BTreeMap::new(),
                }));
            }
        };
        let nonsense = |text: String| MakeError::Cache(io::Error::new(io::ErrorKind::InvalidInput, text));
        let python = self.wanted.minor.parse().map_err(nonsense)?;
        let layout = unwheel::Layout::new(&self.wanted.venv, python).map_err(nonsense)?;
        let paths = wheels.iter().map(|wheel| match wheel {
            Wheel::Held(held) => held.path().to_owned(),
            Wheel::File(path) => path.clone(),
        });
        let paths = paths.collect::<Vec<PathBuf>>();
        // Which of two different files for one path stays is told by whoever joins layers.
        let plan = unwheel::Plan::open(&paths, &layout, true, NonZeroUsize::MIN);
        Ok(plan.and_then(|plan| {
            let facts = unwheel::Facts::to_line(&unwheel::Facts::of_all(&plan, &layout));
            let layer = unwheel::write_layer(&plan, &format, out)?;
            let wheels = plan.wheels().iter();
            let licenses = wheels.filter_map(|wheel| Some((wheel.name.clone(), wheel.license.clone()?)));
            Ok(Written {
                layer,
                facts: Some(facts),
                licenses: licenses.collect(),
            })
        }))
    }
}

/// A layer that was written, and what is known of its wheels.
struct Written {
    layer: unwheel::Layer,
    facts: Option<String>,
    licenses: BTreeMap<String, String>,
}

fn packing(format: Format) -> unwheel::LayerFormat {
    match format {
        Format::Gzip => unwheel::LayerFormat::Gzip,
        Format::Zstd => unwheel::LayerFormat::Zstd { level: ZSTD_LEVEL },
        Format::Estargz => unwheel::LayerFormat::Estargz,
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, MakeError> + Send + 'static,
) -> Result<T, MakeError> {
    match tokio::task::spawn_blocking(work).await {
        Ok(outcome) => outcome,
        Err(ended) => Err(MakeError::Cache(io::Error::other(ended.to_string()))),
    }
}

/// Says that nobody waits any more.
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// A writer that fails once nobody waits for what is written.
struct Stoppable<'a, W> {
    out: W,
    stop: &'a AtomicBool,
}

impl<W: Write> Write for Stoppable<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.stop.load(Ordering::Relaxed) {
            return Err(io::Error::other("nobody waits for this layer any more"));
        }
        self.out.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
