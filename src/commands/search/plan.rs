//! Criteria made ready for one folder: sets become ranges, keywords numbers, strings patterns; what
//! is cheap to decide stands first.

use super::keys::{Key, When};
use crate::mime::casemap::Comparator;
use crate::mime::charset;
use crate::mime::facts::Names;
use crate::mime::search_text::Needle;
use crate::session::message::Wants;
use crate::types::{Flags, Ranges};
use crate::wire::Set;
use std::rc::Rc;

/// Header fields that are asked about whatever the keys are: for SENT, and for what the text is.
const HEADER_FIELDS: [&[u8]; 3] = [b"date", b"content-type", b"content-transfer-encoding"];

/// The numbers of a set in a folder whose highest number is `last`.
// RFC 3501 9: the ends of a range may come in either order, and `*` is the highest number in use;
// Courier has neither here.
fn ranges(set: &Set, last: Option<u32>) -> Ranges {
    let top = |n: u64| u32::try_from(n).unwrap_or(u32::MAX);
    set.ranges(last).iter().map(|r| (top(r.from), top(r.to))).collect()
}

/// A key for one folder.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Node {
    /// Decided already.
    Is(bool),
    /// All of these.
    And(Vec<Node>),
    /// Any of these.
    Or(Vec<Node>),
    /// Not this.
    Not(Box<Node>),
    /// By sequence number.
    Numbers(Ranges),
    /// By UID.
    Uids(Rc<Ranges>),
    /// Having a system flag.
    Flag(Flags),
    /// \Recent.
    Recent,
    /// Having the keyword of this number.
    Keyword(u32),
    /// Changed with this modification sequence or a greater one.
    Changed(u64),
    /// By the day of the internal date.
    Internal(When, i64),
    /// Received at this moment or before it, in seconds since 1970.
    Until(i64),
    /// Received at this moment or after it.
    From(i64),
    /// By the day in the Date field.
    Sent(When, i64),
    /// By the day on which it came into the folder.
    Saved(When, i64),
    /// More bytes on the wire than this.
    Larger(u64),
    /// Fewer bytes on the wire than this.
    Smaller(u64),
    /// The header test of this number.
    Header(usize),
    /// The text test of this number.
    Text(usize),
}

/// A string in a header field.
#[derive(Clone, Debug)]
pub(crate) struct HeaderTest {
    /// The field's name.
    pub(crate) name: Vec<u8>,
    /// The string. An empty one is in every field of that name.
    pub(crate) needle: Needle,
    /// Whether the field has addresses: RFC 3501 6.4.4, "the envelope structure's FROM field".
    pub(crate) is_address: bool,
}

/// Fields with addresses.
const ADDRESS_FIELDS: [&[u8]; 6] = [b"from", b"to", b"cc", b"bcc", b"sender", b"reply-to"];

/// Criteria for one folder.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// What must hold.
    pub(crate) root: Node,
    /// How much must be known of a message at least before this is decided.
    pub(crate) least: Level,
    /// Strings in header fields.
    pub(crate) headers: Vec<HeaderTest>,
    /// Strings in the text.
    pub(crate) texts: Vec<Needle>,
    /// By text test: whether a string in a header counts as well.
    pub(crate) with_headers: Vec<bool>,
    /// Whether the header is asked about at all.
    pub(crate) wants_header: bool,
    /// Whether the Date field is.
    pub(crate) wants_sent: bool,
    /// What of a message decides all but its text.
    pub(crate) wants: Wants,
    /// What `$` stands for: once, however often it is written, since it may be large.
    found: Option<Rc<Ranges>>,
}

/// What a plan must know of the folder.
pub(crate) struct Folder<'a> {
    /// The number of messages.
    pub(crate) count: u32,
    /// The UID of the last.
    pub(crate) last_uid: Option<u32>,
    /// The number of a keyword, if there is such a one.
    pub(crate) keyword: &'a dyn Fn(&[u8]) -> Option<u32>,
    /// From which modification sequence on a message counts as changed, for a client's value.
    pub(crate) since: &'a dyn Fn(u64) -> u64,
    /// The UIDs that `$` stands for.
    pub(crate) found: &'a Ranges,
    /// The time, in seconds since 1970.
    pub(crate) now: i64,
    /// How strings are compared.
    pub(crate) comparator: Comparator,
}

impl Plan {
    /// Makes criteria ready; their strings are in `label`, a character set that is known.
    pub(crate) fn new(key: Key, label: &[u8], folder: &Folder<'_>) -> Plan {
        let mut plan = Plan {
            root: Node::Is(true),
            least: Level::View,
            headers: Vec::new(),
            texts: Vec::new(),
            with_headers: Vec::new(),
            wants_header: false,
            wants_sent: false,
            wants: Wants::default(),
            found: None,
        };
        plan.root = plan.node(key, label, folder);
        plan.least = least(&plan.root);
        // The header also says how the text is encoded.
        plan.wants_header |= !plan.headers.is_empty() || !plan.texts.is_empty();
        if plan.wants_header && !plan.with_headers.contains(&true) {
            let names = plan.headers.iter().map(|test| test.name.as_slice());
            let others = HEADER_FIELDS.into_iter().take(match plan.texts.is_empty() {
                true => usize::from(plan.wants_sent),
                false => HEADER_FIELDS.len(),
            });
            plan.wants.fields = Some(Names::of(names.chain(others)));
        }
        // TEXT looks at all fields.
        plan.wants.bytes = plan.wants_header && plan.wants.fields.is_none();
        plan.wants.structure = plan.wants.bytes;
        plan
    }

    // Recursion is bounded by the number of keys in a command.
    fn node(&mut self, key: Key, label: &[u8], folder: &Folder<'_>) -> Node {
        match key {
            Key::All => Node::Is(true),
            Key::And(keys) => self.list(keys, label, folder, true),
            Key::Or(keys) => self.list(keys, label, folder, false),
            Key::Not(key) => match self.node(*key, label, folder) {
                Node::Is(known) => Node::Is(!known),
                node => Node::Not(Box::new(node)),
            },
            Key::Numbers(set) => Node::Numbers(ranges(&set, Some(folder.count).filter(|n| *n > 0))),
            Key::Uids(set) => Node::Uids(Rc::new(ranges(&set, folder.last_uid))),
            Key::Found => {
                let found = self.found.get_or_insert_with(|| Rc::new(folder.found.clone()));
                Node::Uids(Rc::clone(found))
            }
            Key::Flag(flag) => Node::Flag(flag),
            Key::Recent => Node::Recent,
            Key::Keyword(name) => (folder.keyword)(&name).map_or(Node::Is(false), Node::Keyword),
            Key::Changed(since) => Node::Changed((folder.since)(since)),
            Key::Internal(when, day) => Node::Internal(when, day),
            Key::Saved(when, day) => Node::Saved(when, day),
            Key::Older(seconds) => Node::Until(before(folder.now, seconds)),
            Key::Younger(seconds) => Node::From(before(folder.now, seconds)),
            Key::Sent(when, day) => {
                self.wants_sent = true;
                self.wants_header = true;
                Node::Sent(when, day)
            }
            Key::Larger(n) => {
                self.wants.size = true;
                Node::Larger(n)
            }
            Key::Smaller(n) => {
                self.wants.size = true;
                Node::Smaller(n)
            }
            Key::Header(name, text) => match needle(label, &text, folder.comparator) {
                Some(needle) => {
                    let is_address = ADDRESS_FIELDS.iter().any(|f| name.eq_ignore_ascii_case(f));
                    self.headers.push(HeaderTest { name, needle, is_address });
                    Node::Header(self.headers.len().saturating_sub(1))
                }
                None => Node::Is(false),
            },
            Key::Body(text) => self.text(needle(label, &text, folder.comparator), false),
            Key::Text(text) => self.text(needle(label, &text, folder.comparator), true),
        }
    }

    fn text(&mut self, needle: Option<Needle>, with_headers: bool) -> Node {
        let Some(needle) = needle else { return Node::Is(false) };
        self.texts.push(needle);
        self.with_headers.push(with_headers);
        Node::Text(self.texts.len().saturating_sub(1))
    }

    /// A list of which all (`all`) or any must hold.
    fn list(&mut self, keys: Vec<Key>, label: &[u8], folder: &Folder<'_>, all: bool) -> Node {
        let mut nodes = Vec::with_capacity(keys.len());
        for key in keys {
            match self.node(key, label, folder) {
                Node::Is(known) if known == all => {}
                Node::Is(_) => return Node::Is(!all),
                node => nodes.push(node),
            }
        }
        // What is cheap decides first.
        nodes.sort_by_cached_key(|node| self.cost(node));
        match nodes.pop() {
            None => Node::Is(all),
            Some(only) if nodes.is_empty() => only,
            Some(last) => {
                nodes.push(last);
                if all { Node::And(nodes) } else { Node::Or(nodes) }
            }
        }
    }

    /// How much must be known of a message before a node can be decided.
    fn cost(&self, node: &Node) -> Level {
        match node {
            Node::Text(n) if self.texts.get(*n).is_some_and(Needle::is_empty) => Level::File,
            Node::Not(node) => self.cost(node),
            Node::And(nodes) | Node::Or(nodes) => {
                nodes.first().map_or(Level::View, |n| self.cost(n))
            }
            single => level(single),
        }
    }
}

/// How much is known of a message, each step dearer than the one before.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Level {
    /// What the session's list has: number, UID, flags.
    View,
    /// The file is open: its time, and bounds of its size.
    File,
    /// The header was read.
    Header,
    /// The whole file was read and measured.
    Size,
    /// The text parts were decoded.
    Text,
}

/// How much must be known of a message for certain to decide a node that is no combination.
fn level(node: &Node) -> Level {
    match node {
        Node::Is(_)
        | Node::Numbers(_)
        | Node::Uids(_)
        | Node::Flag(_)
        | Node::Recent
        | Node::Changed(_)
        | Node::Keyword(_)
        | Node::Not(_)
        | Node::And(_)
        | Node::Or(_) => Level::View,
        Node::Internal(..) | Node::Saved(..) | Node::Until(_) | Node::From(_) => Level::File,
        Node::Sent(..) | Node::Header(_) => Level::Header,
        Node::Larger(_) | Node::Smaller(_) => Level::Size,
        Node::Text(_) => Level::Text,
    }
}

/// How much must be known of a message at least before a node may be decided. Recursion is bounded by
/// the number of keys in a command.
fn least(node: &Node) -> Level {
    match node {
        Node::Saved(..) => Level::View,
        // Bounds of the size are known of an open file, and an empty string is in every one.
        Node::Larger(_) | Node::Smaller(_) | Node::Text(_) => Level::File,
        Node::Not(node) => least(node),
        Node::And(nodes) | Node::Or(nodes) => nodes.iter().map(least).min().unwrap_or(Level::View),
        single => level(single),
    }
}

/// RFC 5032 2: the moment so many seconds ago.
fn before(now: i64, seconds: u64) -> i64 {
    now.saturating_sub(i64::try_from(seconds).unwrap_or(i64::MAX))
}

/// The pattern of a string, `None` for one that is not valid in its character set: it matches
/// nothing (PROTOCOL 6.6).
fn needle(label: &[u8], text: &[u8], comparator: Comparator) -> Option<Needle> {
    charset::decode_strict(label, text).map(|text| Needle::new(&text, comparator))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::wire::Io;
    use crate::wire::connection::MemoryConnection;

    fn plan(line: &str) -> Plan {
        let mut io = Io::new(Box::new(MemoryConnection::new(format!("{line}\r\n").as_bytes(), 0)));
        let key = super::super::keys::parse(&mut io, None, &|_| true).unwrap();
        let keyword = |name: &[u8]| name.eq_ignore_ascii_case(b"junk").then_some(7);
        let found = Ranges::of_numbers([10, 20]);
        let folder = Folder {
            count: 4,
            last_uid: Some(40),
            keyword: &keyword,
            since: &|value| value,
            found: &found,
            now: 1000,
            comparator: Comparator::UnicodeCasemap,
        };
        Plan::new(key, b"utf-8", &folder)
    }

    #[test]
    fn sets() {
        for (line, ranges) in [
            ("4:2", &[(2, 4)][..]),
            ("9:*", &[(4, 4)]),
            ("*", &[(4, 4)]),
            ("1,3,2", &[(1, 3)]),
            ("1,4", &[(1, 1), (4, 4)]),
            ("99999999999", &[(u32::MAX, u32::MAX)]),
            ("0", &[(0, 0)]),
        ] {
            assert_eq!(plan(line).root, Node::Numbers(ranges.iter().copied().collect()), "{line}");
        }
        assert_eq!(plan("UID 50:*").root, Node::Uids(Rc::new(Ranges::of_numbers([40]))));
        assert_eq!(plan("UID $").root, Node::Uids(Rc::new(Ranges::of_numbers([10, 20]))));
        let is_shared = |one: &Node, other: &Node| match (one, other) {
            (Node::Uids(one), Node::Uids(other)) => Rc::ptr_eq(one, other),
            _ => false,
        };
        assert!(
            matches!(plan("$ UID $").root, Node::And(nodes) if is_shared(&nodes[0], &nodes[1]))
        );
    }

    #[test]
    fn intervals() {
        assert_eq!(plan("OLDER 1").root, Node::Until(999));
        assert_eq!(plan("YOUNGER 1000").root, Node::From(0));
        assert_eq!(plan("YOUNGER 18446744073709551615").root, Node::From(1000 - i64::MAX));
    }

    #[test]
    fn what_is_known_is_left_out() {
        assert_eq!(plan("ALL (ALL)").root, Node::Is(true));
        assert_eq!(plan("KEYWORD x").root, Node::Is(false));
        assert_eq!(plan("SUBJECT x KEYWORD y").root, Node::Is(false));
        assert_eq!(plan("NOT KEYWORD y").root, Node::Is(true));
        assert_eq!(plan("OR KEYWORD y SEEN").root, Node::Flag(Flags::SEEN));
        assert_eq!(plan("OR ALL TEXT x").root, Node::Is(true));
        assert_eq!(plan("KEYWORD junk").root, Node::Keyword(7));
    }

    #[test]
    fn the_cheap_first() {
        let order = |line| match plan(line).root {
            Node::And(nodes) => nodes,
            node => vec![node],
        };
        assert_eq!(
            order("TEXT a LARGER 9 FROM x ON 1-Jan-1970 NOT SEEN"),
            [
                Node::Not(Box::new(Node::Flag(Flags::SEEN))),
                Node::Internal(When::On, 0),
                Node::Header(0),
                Node::Larger(9),
                Node::Text(0)
            ]
        );
        assert_eq!(order("TEXT \"\" FROM x"), [Node::Text(0), Node::Header(0)]);
    }
}
