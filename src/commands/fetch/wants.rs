//! What the items of a FETCH will ask about each message: if that is remembered, its file is not
//! opened.

use super::parse::{Item, What};
use crate::mime::facts::Names;
use crate::session::message::Wants;

/// What one item asks.
fn of_item(item: &Item) -> Wants {
    let nothing = Wants::default();
    match item {
        Item::Flags | Item::Uid | Item::SaveDate | Item::ModSeq | Item::InternalDate => nothing,
        Item::Size => Wants { size: true, ..nothing },
        Item::Envelope => Wants { fields: Some(Names::of_envelope()), ..nothing },
        Item::Body | Item::BodyStructure => Wants { structure: true, ..nothing },
        Item::Section(section) if section.path.is_empty() && section.what == What::Fields => {
            Wants { fields: Some(section.digests.clone()), ..nothing }
        }
        Item::Section(section) | Item::Binary(section) | Item::BinarySize(section) => {
            Wants { bytes: true, structure: !section.path.is_empty(), ..nothing }
        }
    }
}

/// What all items ask.
pub(super) fn of(items: &[Item]) -> Wants {
    items.iter().map(of_item).fold(Wants::default(), |mut all, one| {
        all.size |= one.size;
        all.structure |= one.structure;
        all.bytes |= one.bytes;
        if let Some(names) = one.fields {
            all.fields.get_or_insert_default().extend(names);
        }
        all
    })
}
