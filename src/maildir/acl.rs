//! Access control lists as values: their entries, how a file spells them, which rights they give a
//! user, and which changes Courier refuses (STORAGE 5). [`super::acl_files`] knows where lists are
//! on disk.

use crate::types::Rights;
use crate::types::limits::{MAX_ACL_BYTES, MAX_ACL_ENTRIES, MAX_ACL_IDENTIFIER};

/// The most bytes of a list on disk.
pub(super) const MAX_FILE: u64 = MAX_ACL_BYTES as u64;

/// Whose rights are asked for: the login and its groups.
#[derive(Clone, Debug, Default)]
pub(crate) struct User {
    /// `user=NAME`.
    identifier: Vec<u8>,
    groups: Vec<Vec<u8>>,
}

/// One folder's list. The entries are in the order of the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Acl {
    entries: Vec<(Vec<u8>, Rights)>,
}

/// Why a folder's list was not changed (STORAGE 5.6).
#[derive(Debug)]
pub(crate) enum ChangeRefused {
    /// The folder's owner would lose `a` or `l`, under this identifier (`owner`, `user=joe`).
    Owner(Vec<u8>),
    /// The administrators would lose a right.
    Administrators,
    /// A file cannot hold the identifier or the rights.
    Invalid,
    /// A letter that stands for no right ([`Acl::change_standard`]).
    UnknownRight,
    /// The list would have too many entries, or an identifier is too long.
    TooLarge,
    /// The folder has no list: an old-style shared folder, a level of the shared index, or an
    /// account without ACLs.
    Special,
    /// Reading or writing failed.
    Failed(std::io::Error),
    /// The Maildir could not be locked.
    Locked(super::Error),
}

/// The owner's rights that no change may take away.
const OWNER_KEEPS: Rights = Rights::of(b"al");
const ADMINISTRATORS: &[u8] = b"administrators";
const GROUP_ADMINISTRATORS: &[u8] = b"group=administrators";

impl User {
    /// A login and the names of its groups.
    pub(crate) fn new<'a>(user: &[u8], groups: impl IntoIterator<Item = &'a [u8]>) -> User {
        User {
            identifier: [b"user=", user].concat(),
            groups: groups.into_iter().map(<[u8]>::to_vec).collect(),
        }
    }

    /// The identifier `user=NAME`.
    pub(crate) fn identifier(&self) -> &[u8] {
        &self.identifier
    }

    fn is_member(&self, group: &[u8]) -> bool {
        self.groups.iter().any(|g| g == group)
    }

    /// Whether an identifier (without its `-`) means this user, in a folder of `owner`.
    fn matches(&self, identifier: &[u8], owner: &[u8]) -> bool {
        match identifier {
            b"anyone" | b"anonymous" => true,
            b"owner" => self.identifier == owner,
            ADMINISTRATORS => self.is_member(ADMINISTRATORS),
            _ => {
                identifier == self.identifier
                    || identifier.strip_prefix(b"group=").is_some_and(|g| self.is_member(g))
            }
        }
    }
}

/// Whether a list can hold an identifier: it is not empty, without blanks and control characters.
pub(crate) fn is_identifier(identifier: &[u8]) -> bool {
    !identifier.is_empty() && identifier.iter().all(|b| *b > b' ' && *b != 0x7f)
}

/// Whether a list can hold these rights, which are without a sign.
pub(crate) fn is_rights(letters: &[u8]) -> bool {
    letters.iter().all(u8::is_ascii_graphic)
}

/// The stored form of an identifier in a command (STORAGE 5.4): `joe` is `user=joe`. `None` for a
/// name with `=`, to which Courier answers "Invalid ACL identifier." ([`Acl::set`] refuses blanks.)
pub(crate) fn from_rfc2086(name: &[u8]) -> Option<Vec<u8>> {
    let (sign, plain) = split_sign(name);
    match plain {
        b"owner" | b"anyone" | b"anonymous" | b"authuser" => Some(name.to_vec()),
        // The form of Courier's newer releases. Both forms mean the same (STORAGE 5.4).
        ADMINISTRATORS => Some([sign, GROUP_ADMINISTRATORS].concat()),
        _ if plain.contains(&b'=') => None,
        _ => Some([sign, b"user=", plain].concat()),
    }
}

/// What GETACL shows for a stored identifier; `None` for a group, which it leaves out.
pub(crate) fn to_rfc2086(identifier: &[u8]) -> Option<Vec<u8>> {
    let (sign, plain) = split_sign(identifier);
    if let Some(user) = plain.strip_prefix(b"user=") {
        return Some([sign, user].concat());
    }
    (!plain.contains(&b'=')).then(|| identifier.to_vec())
}

fn split_sign(identifier: &[u8]) -> (&[u8], &[u8]) {
    match identifier.strip_prefix(b"-") {
        Some(plain) => (b"-", plain),
        None => (b"", identifier),
    }
}

impl Acl {
    /// A list without entries.
    pub(crate) fn new() -> Acl {
        Acl::default()
    }

    /// The list of an INBOX that has none (STORAGE 5.3).
    pub(crate) fn of_inbox() -> Acl {
        Acl {
            entries: vec![(b"owner".to_vec(), Rights::ALL), (ADMINISTRATORS.to_vec(), Rights::ALL)],
        }
    }

    /// The list of a level above folders, which everybody may see (STORAGE 5.5).
    pub(crate) fn of_level() -> Acl {
        Acl { entries: vec![(b"anyone".to_vec(), Rights::of(b"l"))] }
    }

    /// Parses a file as Courier 5.0 does (STORAGE 5.2), and skips lines that are no entries. The
    /// administrators get their rights by [`Acl::complete`].
    pub(crate) fn parse(file: &[u8]) -> Acl {
        let mut acl = Acl::new();
        let mut known = std::collections::HashMap::new();
        for line in file.split(|b| *b == b'\n') {
            let line = line.split(|b| *b == 0).next().unwrap_or_default();
            let end = line.iter().position(|b| matches!(b, b' ' | b'\t')).unwrap_or(line.len());
            let (identifier, rights) = line.split_at_checked(end).unwrap_or((line, b""));
            let start =
                rights.iter().position(|b| !matches!(b, b' ' | b'\t')).unwrap_or(rights.len());
            let rights = rights.get(start..).unwrap_or_default();
            if !is_identifier(identifier) || rights.iter().any(|b| *b <= b' ') {
                continue;
            }
            // Courier: a later line replaces an earlier one.
            let at = *known.entry(identifier).or_insert_with(|| {
                acl.entries.push((identifier.to_vec(), Rights::NONE));
                acl.entries.len().saturating_sub(1)
            });
            if let Some(entry) = acl.entries.get_mut(at) {
                entry.1 = Rights::of(rights);
            }
        }
        acl
    }

    /// The same with the rights of the administrators.
    pub(crate) fn parse_complete(file: &[u8]) -> Acl {
        let mut acl = Acl::parse(file);
        acl.complete();
        acl
    }

    /// The content of the file.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let mut out = Vec::new();
        for (identifier, rights) in &self.entries {
            out.extend_from_slice(identifier);
            out.push(b' ');
            out.extend_from_slice(&rights.letters());
            out.push(b'\n');
        }
        out
    }

    /// Gives the administrators all rights, as every list has it after reading: the entry
    /// `group=administrators` if there is one, else `administrators`; negative entries for them go
    /// (STORAGE 5.3).
    pub(crate) fn complete(&mut self) {
        self.entries
            .retain(|(id, _)| !matches!(&**id, b"-administrators" | b"-group=administrators"));
        let group = self.entries.iter().any(|(id, _)| id == GROUP_ADMINISTRATORS);
        let identifier = if group { GROUP_ADMINISTRATORS } else { ADMINISTRATORS };
        self.put(identifier, self.get(identifier).with(Rights::ALL));
    }

    /// The entries in order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&[u8], Rights)> {
        self.entries.iter().map(|(id, rights)| (&**id, *rights))
    }

    /// The rights in the entry of exactly this identifier, none if there is no entry.
    pub(crate) fn get(&self, identifier: &[u8]) -> Rights {
        self.entries.iter().find(|(id, _)| id == identifier).map_or(Rights::NONE, |(_, r)| *r)
    }

    fn put(&mut self, identifier: &[u8], rights: Rights) {
        match self.entries.iter_mut().find(|(id, _)| id == identifier) {
            Some(entry) => entry.1 = rights,
            None => self.entries.push((identifier.to_vec(), rights)),
        }
    }

    /// Gives an identifier (in its stored form) these rights; without any rights the entry is
    /// removed (PROTOCOL 7.3). An entry for the administrators replaces the one in the other
    /// spelling.
    pub(crate) fn set(&mut self, identifier: &[u8], rights: Rights) -> Result<(), ChangeRefused> {
        if !is_identifier(identifier) {
            return Err(ChangeRefused::Invalid);
        }
        if rights.is_empty() {
            self.remove(identifier);
            return Ok(());
        }
        match self.spelling(identifier) {
            Some(spelled) => self.put(&spelled, rights),
            None if identifier.len() > MAX_ACL_IDENTIFIER
                || self.entries.len() >= MAX_ACL_ENTRIES =>
            {
                return Err(ChangeRefused::TooLarge);
            }
            None => self.put(identifier, rights),
        }
        Ok(())
    }

    /// Removes an entry, if there is one.
    pub(crate) fn remove(&mut self, identifier: &[u8]) {
        let spelled = self.spelling(identifier).unwrap_or_else(|| identifier.to_vec());
        self.entries.retain(|(id, _)| *id != spelled);
    }

    /// How the list spells an identifier, which may have two spellings; `None` if it has no entry
    /// for it.
    fn spelling(&self, identifier: &[u8]) -> Option<Vec<u8>> {
        let (_, plain) = split_sign(identifier);
        let both = plain == ADMINISTRATORS || plain == GROUP_ADMINISTRATORS;
        let has = |id: &[u8]| self.entries.iter().any(|(entry, _)| entry == id);
        if has(identifier) {
            return Some(identifier.to_vec());
        }
        let (sign, _) = split_sign(identifier);
        let other = if plain == ADMINISTRATORS { GROUP_ADMINISTRATORS } else { ADMINISTRATORS };
        let other = [sign, other].concat();
        (both && has(&other)).then_some(other)
    }

    /// Changes an entry by the rights argument of SETACL (PROTOCOL 7.3): `lrs` replaces the rights,
    /// `+x` adds, `-x` removes.
    pub(crate) fn change(
        &mut self,
        identifier: &[u8],
        argument: &[u8],
    ) -> Result<(), ChangeRefused> {
        self.change_by(identifier, argument, |letters, before| {
            if is_rights(letters) {
                Ok((Rights::of_wire(letters), before))
            } else {
                Err(ChangeRefused::Invalid)
            }
        })
    }

    /// The same in the letters of RFC 4314 2.1, where no others are rights. What an entry has beside
    /// these it may keep (5.1.2).
    pub(crate) fn change_standard(
        &mut self,
        identifier: &[u8],
        argument: &[u8],
    ) -> Result<(), ChangeRefused> {
        self.change_by(identifier, argument, |letters, before| {
            let known = Rights::STANDARD.with(Rights::of(b"dk")).with(before);
            if !letters.iter().all(|letter| known.has(*letter)) {
                return Err(ChangeRefused::UnknownRight);
            }
            // Of a `k` that Courier has put there nothing was shown.
            Ok((Rights::of_standard(letters), before.without(Rights::of(b"k"))))
        })
    }

    /// `read` is given the letters without their sign, and the rights that the entry has.
    fn change_by(
        &mut self,
        identifier: &[u8],
        argument: &[u8],
        read: impl FnOnce(&[u8], Rights) -> Result<(Rights, Rights), ChangeRefused>,
    ) -> Result<(), ChangeRefused> {
        let (sign, letters) = match argument.split_first() {
            Some((sign @ (b'+' | b'-'), rest)) => (*sign, rest),
            _ => (b'=', argument),
        };
        let before = self.get(&self.spelling(identifier).unwrap_or_default());
        let (letters, before) = read(letters, before)?;
        let rights = match sign {
            b'+' => before.with(letters),
            b'-' => before.without(letters),
            _ => letters,
        };
        self.set(identifier, rights)
    }

    /// The union of the entries that match, less the union of the negative ones that match.
    fn sum(&self, matches: impl Fn(&[u8]) -> bool) -> Rights {
        let mut given = Rights::NONE;
        let mut taken = Rights::NONE;
        for (identifier, rights) in &self.entries {
            match split_sign(identifier) {
                (b"-", plain) if matches(plain) => taken = taken.with(*rights),
                (b"", plain) if matches(plain) => given = given.with(*rights),
                _ => {}
            }
        }
        given.without(taken)
    }

    /// What a user may do in a folder with this list (STORAGE 5.5). `owner` is the identifier of
    /// the folder's owner, such as `user=joe`.
    pub(crate) fn rights(&self, user: &User, owner: &[u8]) -> Rights {
        let rights = self.sum(|id| user.matches(id, owner));
        // Courier: an owner always has `a`, so that owners cannot lock themselves out.
        if user.identifier == owner { rights.with(Rights::of(b"a")) } else { rights }
    }

    /// Whether a folder of `owner` may have this list (STORAGE 5.6), and its file can be read
    /// again.
    pub(crate) fn check(&self, owner: &[u8]) -> Result<(), ChangeRefused> {
        let file = self.to_bytes();
        if file.len() > MAX_ACL_BYTES || Acl::parse(&file) != *self {
            return Err(ChangeRefused::TooLarge);
        }
        let everybody = |id: &[u8]| matches!(id, b"anyone" | b"anonymous");
        if !self.sum(|id| id == b"owner" || everybody(id)).contains(OWNER_KEEPS) {
            return Err(ChangeRefused::Owner(b"owner".to_vec()));
        }
        if !self.sum(|id| id == b"owner" || id == owner || everybody(id)).contains(OWNER_KEEPS) {
            return Err(ChangeRefused::Owner(owner.to_vec()));
        }
        let administrators = |id: &[u8]| id == ADMINISTRATORS || id == GROUP_ADMINISTRATORS;
        if !self.sum(|id| administrators(id) || everybody(id)).contains(Rights::ALL) {
            return Err(ChangeRefused::Administrators);
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]
mod tests;
