//! What kind of file system a directory is on.

use nix::sys::statfs::fstatfs;
use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::os::fd::AsFd;

/// File systems on which other hosts may change a directory without this kernel being told: the
/// types that statfs(2) gives (`linux/magic.h`, and the headers of those that are not in Linux).
const SHARED: &[(u32, &str)] = &[
    (0x0000_517B, "SMB"),
    (0x0000_564C, "NCP"),
    (0x0000_6969, "NFS"),
    (0x00C3_6400, "Ceph"),
    (0x0102_1997, "9P"),
    (0x0116_1970, "GFS2"),
    (0x0130_11A8, "IBRIX"),
    (0x0BD0_0BD0, "Lustre"),
    (0x1983_0326, "BeeGFS"),
    (0x4750_4653, "GPFS"),
    (0x5346_314D, "M1FS"),
    (0x5346_414F, "AFS"),
    (0x6163_6673, "ACFS"),
    // GlusterFS, sshfs, virtiofs, s3fs, MooseFS ... and file systems of one host, for which two
    // seconds of inaccuracy cost little.
    (0x6573_5546, "FUSE"),
    (0x6B41_4653, "kAFS"),
    (0x7375_7245, "Coda"),
    (0x7461_636F, "OCFS2"),
    (0x786F_4256, "VirtualBox"),
    (0x7C7C_6673, "Parallels"),
    (0xA501_FCF5, "VxFS"),
    (0xAAD7_AAEA, "PanFS"),
    (0xBACB_ACBC, "VMware"),
    (0xBEEF_DEAD, "StorNext"),
    (0xFE53_4D42, "SMB2"),
    (0xFF53_4D42, "CIFS"),
];

fn is_shared_type(kind: u32) -> bool {
    SHARED.iter().any(|(shared, _)| *shared == kind)
}

fn is_shared_between_hosts(dir: impl AsFd) -> bool {
    // The types have 32 bits, in a word whose size and sign depend on the machine.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fstatfs(dir).is_ok_and(|found| is_shared_type(found.filesystem_type().0 as u32))
}

thread_local! {
    /// The devices that were looked at, and whether other hosts may change what is on them.
    static KNOWN: RefCell<Vec<(u64, bool)>> = const { RefCell::new(Vec::new()) };
}

/// Whether other hosts may change what is on this device without this kernel noticing it. `false`
/// where the system does not say what it is. It is asked once: on a network file system statfs(2)
/// asks the server. `directory` opens one that is on the device.
pub(crate) fn is_shared_device(device: u64, directory: impl FnOnce() -> io::Result<File>) -> bool {
    let known = KNOWN.with_borrow(|known| known.iter().find(|(of, _)| *of == device).copied());
    if let Some((_, is_shared)) = known {
        return is_shared;
    }
    let Ok(directory) = directory() else { return false };
    let is_shared = is_shared_between_hosts(&directory);
    KNOWN.with_borrow_mut(|known| known.push((device, is_shared)));
    is_shared
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use nix::sys::statfs;
    use std::fs::File;

    #[test]
    fn shared_between_hosts() {
        for shared in [
            statfs::NFS_SUPER_MAGIC,
            statfs::FUSE_SUPER_MAGIC,
            statfs::SMB_SUPER_MAGIC,
            statfs::OCFS2_SUPER_MAGIC,
            statfs::AFS_SUPER_MAGIC,
            statfs::CODA_SUPER_MAGIC,
            statfs::NCP_SUPER_MAGIC,
        ] {
            assert!(is_shared_type(shared.0 as u32), "{shared:?}");
        }
        // CIFS as a machine with 32 bits has it, below 0.
        assert!(is_shared_type(0xFF53_4D42_u32 as i32 as u32));
        for local in [
            statfs::EXT4_SUPER_MAGIC,
            statfs::XFS_SUPER_MAGIC,
            statfs::BTRFS_SUPER_MAGIC,
            statfs::TMPFS_MAGIC,
            statfs::OVERLAYFS_SUPER_MAGIC,
        ] {
            assert!(!is_shared_type(local.0 as u32), "{local:?}");
        }
        assert!(!is_shared_between_hosts(File::open("/proc").unwrap()));
        assert!(SHARED.is_sorted_by(|a, b| a.0 < b.0), "in order, and none twice");
    }
}
