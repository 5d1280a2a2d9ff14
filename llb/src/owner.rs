//! Whom files belong to, and what may be done with them.

use buildkit_proto::pb;

/// The user and the group that files belong to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Owner {
    /// The user; unchanged if there is none.
    pub user: Option<User>,
    /// The group; that of the user if it is named, else unchanged if there is none.
    pub group: Option<User>,
}

/// A user or a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum User {
    /// By number.
    Id(u32),
    /// By name, looked up in the tree that the operation starts from.
    Name(String),
}

/// Permission bits as the messages carry them.
pub(crate) fn permissions(mode: u32) -> i32 {
    i32::try_from(mode & 0o777).unwrap_or_default()
}

impl Owner {
    /// By number.
    pub fn ids(uid: u32, gid: u32) -> Self {
        Self {
            user: Some(User::Id(uid)),
            group: Some(User::Id(gid)),
        }
    }

    /// From `user` or `user:group`, each a number or a name; `root` is 0.
    pub fn parse(text: &str) -> Self {
        let (user, group) = match text.split_once(':') {
            Some((user, group)) => (user, Some(group)),
            None => (text, None),
        };
        Self {
            user: Some(User::parse(user)),
            group: group.map(User::parse),
        }
    }

    pub(crate) fn encode(&self, base: i64) -> pb::ChownOpt {
        let encode = |user: &Option<User>| user.as_ref().map(|user| user.encode(base));
        pb::ChownOpt {
            user: encode(&self.user),
            group: encode(&self.group),
        }
    }
}

impl User {
    fn parse(text: &str) -> Self {
        match text.parse::<u32>() {
            Ok(id) if i32::try_from(id).is_ok() => Self::Id(id),
            _ if text == "root" || text.is_empty() => Self::Id(0),
            _ => Self::Name(text.to_owned()),
        }
    }

    fn encode(&self, base: i64) -> pb::UserOpt {
        let user = match self {
            Self::Id(id) => pb::user_opt::User::ById(*id),
            Self::Name(name) => pb::user_opt::User::ByName(pb::NamedUserOpt {
                name: name.clone(),
                input: base,
            }),
        };
        pb::UserOpt { user: Some(user) }
    }
}
