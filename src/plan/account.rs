//! Users of a base image, and the one a service runs as.

use serde::{Deserialize, Serialize};

use crate::manifest::User;

/// Numbers from here are given to users that Wheelwright adds: above what distributions and hosts use.
const FIRST_ID: u32 = 10001;

/// The user and group files of a base image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accounts {
    /// Text of /etc/passwd; empty when there is none.
    pub passwd: String,
    /// Text of /etc/group; empty when there is none.
    pub group: String,
}

/// Whom a service runs as.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Account {
    /// Value of the image's `User`.
    pub user: String,
    /// User id; owner of nothing but the home folder.
    pub uid: u32,
    /// Group id.
    pub gid: u32,
    /// What has to be added to the base for it.
    pub add: Option<NewAccount>,
}

/// A user that the base does not have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewAccount {
    /// Home folder.
    pub home: String,
    /// New text of /etc/passwd.
    #[serde(skip)]
    pub passwd: String,
    /// New text of /etc/group.
    #[serde(skip)]
    pub group: String,
}

impl Accounts {
    /// Finds or adds the user.
    pub fn account(&self, user: &User) -> Account {
        match user {
            User::Ids { uid, gid } => Account {
                user: user.to_string(),
                uid: *uid,
                gid: *gid,
                add: None,
            },
            User::Name(name) => self.existing(name).unwrap_or_else(|| self.added(name)),
        }
    }

    fn existing(&self, name: &str) -> Option<Account> {
        let fields = entries(&self.passwd).find(|fields| fields[0] == name)?;
        let (uid, gid) = (fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?);
        Some(Account {
            user: name.to_owned(),
            uid,
            gid,
            add: None,
        })
    }

    fn added(&self, name: &str) -> Account {
        let taken = |id: u32| {
            let id = id.to_string();
            entries(&self.passwd)
                .chain(entries(&self.group))
                .any(|fields| fields.get(2) == Some(&id.as_str()))
        };
        let id = (FIRST_ID..u32::MAX).find(|id| !taken(*id)).unwrap_or(FIRST_ID);
        let home = format!("/home/{name}");
        let passwd = append(
            &self.passwd,
            &format!("{name}:x:{id}:{id}::{home}:/usr/sbin/nologin"),
        );
        let group = append(&self.group, &format!("{name}:x:{id}:"));
        Account {
            user: name.to_owned(),
            uid: id,
            gid: id,
            add: Some(NewAccount { home, passwd, group }),
        }
    }
}

fn entries(text: &str) -> impl Iterator<Item = Vec<&str>> {
    text.lines().map(|line| line.split(':').collect())
}

fn append(text: &str, line: &str) -> String {
    let newline = if text.is_empty() || text.ends_with('\n') {
        ""
    } else {
        "\n"
    };
    format!("{text}{newline}{line}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_are_found_or_added() {
        let accounts = Accounts {
            passwd: "root:x:0:0:root:/root:/bin/bash\nx:x:10001:7::/:/bin/sh".to_owned(),
            group: "root:x:0:\n".to_owned(),
        };
        assert_eq!(accounts.account(&User::Name("x".to_owned())).gid, 7);
        let app = accounts.account(&User::Name("app".to_owned()));
        assert_eq!((app.uid, app.gid), (10002, 10002));
        let added = app.add.unwrap();
        assert!(
            added
                .passwd
                .ends_with("/bin/sh\napp:x:10002:10002::/home/app:/usr/sbin/nologin\n")
        );
        assert!(added.group.ends_with("root:x:0:\napp:x:10002:\n"));
    }
}
