use super::*;
use proptest::prelude::*;

fn read(file: &[u8]) -> Acl {
    let mut acl = Acl::parse(file);
    acl.complete();
    acl
}

fn shown(acl: &Acl) -> String {
    String::from_utf8_lossy(&acl.to_bytes()).replace('\n', "; ")
}

/// What Courier 5.0.13 made of the same files.
#[test]
fn files_as_courier_reads_them() {
    for (file, list, mine) in [
        (&b""[..], "administrators aceilrstwx; ", "a"),
        (b"owner", "owner ; administrators aceilrstwx; ", "a"),
        (
            b"owner al\n-owner l\nuser=joe r\n",
            "owner al; -owner l; user=joe r; \
             administrators aceilrstwx; ",
            "ar",
        ),
        (
            b"\n\nuser=joe   lr  s\nuser=bob lr\nuser=bob w\n\
              administrators l\ngroup=administrators r\n-administrators lra\n\
              -group=administrators w\nowner a",
            "user=bob w; administrators l; group=administrators aceilrstwx; owner a; ",
            "a",
        ),
        (
            b"user=x zzaa\0b\nowner alr\x800\n\tfoo bar\nx\x01y l\r\nanonymous s\r\nauthuser w\n",
            "user=x az; owner 0alr; authuser w; administrators aceilrstwx; ",
            "0alr",
        ),
        (
            b"group=administrators l\nowner al\n",
            "group=administrators aceilrstwx; owner al; ",
            "al",
        ),
        (
            b"anyone lr\n-user=joe ar\nowner l\n",
            "anyone lr; -user=joe ar; owner l; administrators aceilrstwx; ",
            "al",
        ),
        (b"user=a=b l\nowner al\n", "user=a=b l; owner al; administrators aceilrstwx; ", "al"),
    ] {
        let acl = read(file);
        assert_eq!(shown(&acl), list, "{:?}", String::from_utf8_lossy(file));
        let joe = User::new(b"joe", []);
        let letters = acl.rights(&joe, b"user=joe").letters();
        assert_eq!(letters, mine.as_bytes(), "{:?}", String::from_utf8_lossy(file));
    }
}

#[test]
fn groups_and_administrators() {
    let acl = read(b"anyone lr\n-user=joe ar\ngroup=foo w\ngroup=bar t\n");
    let joe = User::new(b"joe", [&b"foo"[..], b"administrators"]);
    assert_eq!(acl.rights(&joe, b"user=joe").letters(), b"aceilstwx");
    assert_eq!(acl.rights(&joe, b"user=bob").letters(), b"ceilstwx");
    let ann = User::new(b"ann", [&b"foo"[..]]);
    assert_eq!(acl.rights(&ann, b"user=joe").letters(), b"lrw");
    assert!(read(b"authuser lr\n").rights(&ann, b"user=joe").is_empty());
}

#[test]
fn changes_that_are_refused() {
    let base = b"owner aceilrstwx\nadministrators aceilrstwx\n";
    for (identifier, argument, result) in [
        ("owner", "r", "owner"),
        ("owner", "-l", "owner"),
        ("owner", "", "owner"),
        ("-owner", "+l", "owner"),
        ("-anyone", "l", "owner"),
        ("-user=joe", "l", "user=joe"),
        ("-user=joe", "r", "ok"),
        ("user=joe", "r", "ok"),
        ("-user=bob", "l", "ok"),
        ("administrators", "l", "administrators"),
        ("administrators", "-a", "administrators"),
        ("administrators", "", "administrators"),
        ("group=administrators", "r", "administrators"),
        ("-administrators", "r", "administrators"),
        ("-group=administrators", "r", "administrators"),
        ("-anyone", "w", "administrators"),
        ("user=bob", "+z1", "ok"),
        ("user=a b", "l", "invalid"),
        ("", "l", "invalid"),
        ("user=bob", "l r", "invalid"),
        ("user=bob", "+l\t", "invalid"),
        ("user=", "l", "ok"),
        ("-", "l", "ok"),
    ] {
        let mut acl = read(base);
        let got = acl
            .change(identifier.as_bytes(), argument.as_bytes())
            .and_then(|()| acl.check(b"user=joe"));
        let got = match got {
            Ok(()) => "ok".to_owned(),
            Err(ChangeRefused::Owner(id)) => String::from_utf8(id).unwrap(),
            Err(ChangeRefused::Administrators) => "administrators".to_owned(),
            Err(ChangeRefused::Invalid) => "invalid".to_owned(),
            Err(other) => panic!("{other:?}"),
        };
        assert_eq!(got, result, "{identifier} {argument}");
    }
}

#[test]
fn changes_keep_the_order() {
    let mut acl = read(b"owner aceilrstwx\nadministrators aceilrstwx\n");
    acl.change(b"user=bob", b"dl").unwrap();
    acl.change(b"anyone", b"l").unwrap();
    acl.change(b"user=bob", b"+r").unwrap();
    acl.change(b"user=bob", b"-x").unwrap();
    acl.change(b"anyone", b"-l").unwrap();
    assert_eq!(shown(&acl), "owner aceilrstwx; administrators aceilrstwx; user=bob elrt; ");
    acl.change(b"group=administrators", b"aceilrstwxp").unwrap();
    assert_eq!(shown(&acl), "owner aceilrstwx; administrators aceilprstwx; user=bob elrt; ");
}

#[test]
fn names_of_rfc_2086() {
    for (name, stored) in [
        ("joe", Some("user=joe")),
        ("-joe", Some("-user=joe")),
        ("anyone", Some("anyone")),
        ("-anyone", Some("-anyone")),
        ("Anyone", Some("user=Anyone")),
        ("authuser", Some("authuser")),
        ("administrators", Some("group=administrators")),
        ("a=b", None),
        ("-a=b", None),
        ("", Some("user=")),
        ("-", Some("-user=")),
    ] {
        assert_eq!(from_rfc2086(name.as_bytes()), stored.map(|s| s.as_bytes().to_vec()), "{name}");
    }
    for (stored, name) in [
        ("user=joe", Some("joe")),
        ("-user=joe", Some("-joe")),
        ("user=a=b", Some("a=b")),
        ("group=x", None),
        ("-group=x", None),
        ("administrators", Some("administrators")),
        ("xxx", Some("xxx")),
    ] {
        assert_eq!(to_rfc2086(stored.as_bytes()), name.map(|s| s.as_bytes().to_vec()), "{stored}");
    }
}

/// A line as a list may have it.
const LIKELY_LINE: &str =
    "(-?)(owner|anyone|user=joe|administrators|group=administrators) [aelrx]{0,4}";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever a file holds, what is written back reads the same.
    #[test]
    fn any_file(file in proptest::collection::vec(any::<u8>(), 0..400)) {
        let acl = read(&file);
        prop_assert_eq!(Acl::parse(&acl.to_bytes()), acl.clone());
        acl.rights(&User::new(b"joe", []), b"user=joe");
        let _ = acl.check(b"user=joe");
    }

    #[test]
    fn likely_files(lines in proptest::collection::vec(LIKELY_LINE, 0..8)) {
        let acl = read(lines.join("\n").as_bytes());
        prop_assert_eq!(Acl::parse(&acl.to_bytes()), acl.clone());
        prop_assert!(acl.rights(&User::new(b"joe", []), b"user=joe").has(b'a'));
    }
}
