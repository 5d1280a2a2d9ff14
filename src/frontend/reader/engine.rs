//! Files by way of the engine: a local source narrowed to them, then a read from its result.

use std::collections::BTreeMap;

use async_trait::async_trait;
use buildkit_llb::{Differ, Source, State};
use futures_util::future::{try_join, try_join_all};

use super::{IGNORE_FILE, Reader, Shape, own_ignore_file};
use crate::bridge::{Bridge, Ref, Stat};
use crate::frontend::{Failure, Options};
use crate::lower::{self, LocalContext};
use crate::manifest::ProjectPath;

/// What clients hand over in place of local folders, by name.
pub(in crate::frontend) type Inputs = BTreeMap<String, State>;

/// Reads through the engine.
#[derive(Debug)]
pub(in crate::frontend) struct ByEngine<'a> {
    pub(in crate::frontend) bridge: &'a dyn Bridge,
    pub(in crate::frontend) options: &'a Options,
    /// The tree with the manifest.
    pub(in crate::frontend) manifest: State,
}

impl ByEngine<'_> {
    async fn solve(&self, tree: &State) -> Result<Ref, Failure> {
        Ok(self.bridge.solve(lower::marshal(tree).into_pb(), &[]).await?)
    }

    async fn file(&self, tree: &Ref, path: &str) -> Result<Option<Vec<u8>>, Failure> {
        match self.bridge.read_file(tree, path).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

#[async_trait]
impl Reader for ByEngine<'_> {
    async fn manifest(&self) -> Result<Option<Vec<u8>>, Failure> {
        let tree = self.solve(&self.manifest).await?;
        self.file(&tree, &self.options.filename).await
    }

    async fn ignore_file(&self, context: &LocalContext) -> Result<Option<(String, Vec<u8>)>, Failure> {
        let source = Source::local(&context.name)
            .session_id(&context.session)
            .follow_paths([IGNORE_FILE])
            .shared_key_hint(format!("{}-{IGNORE_FILE}{}", context.name, context.shared_key))
            .differ(Differ::None)
            .name("[internal] load .dockerignore")
            .build();
        let own = own_ignore_file(&self.options.filename);
        let beside = async { self.file(&self.solve(&self.manifest).await?, &own).await };
        let common = async { self.file(&self.solve(&source).await?, IGNORE_FILE).await };
        let (beside, common) = try_join(beside, common).await?;
        let common = common.map(|bytes| (IGNORE_FILE.to_owned(), bytes));
        Ok(beside.map(|bytes| (own, bytes)).or(common))
    }

    async fn read(
        &self,
        context: &LocalContext,
        paths: &[ProjectPath],
    ) -> Result<Vec<Option<Vec<u8>>>, Failure> {
        let names = paths.iter().map(ProjectPath::as_str).collect::<Vec<_>>();
        let tree = self
            .solve(&lower::narrowed(context, &names.join(" "), paths))
            .await?;
        try_join_all(names.into_iter().map(|name| self.file(&tree, name))).await
    }

    async fn shapes(
        &self,
        _: &LocalContext,
        source: &State,
        paths: &[ProjectPath],
    ) -> Result<Vec<Option<Shape>>, Failure> {
        let tree = self.solve(source).await?;
        let found = try_join_all(paths.iter().map(|path| self.bridge.stat(&tree, path.as_str()))).await?;
        let shape = |stat: Stat| if stat.folder { Shape::Folder } else { Shape::File };
        Ok(found.into_iter().map(|found| found.map(shape)).collect())
    }

    fn beside(&self, _: &ProjectPath) -> Vec<ProjectPath> {
        Vec::new()
    }
}
