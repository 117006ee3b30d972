//! What the items of a FETCH will ask about each message: if that is remembered, its file is not
//! opened.

use super::parse::{Item, What};
use crate::mime::facts::Names;
use crate::response::bodystructure::Form;
use crate::session::message::Wants;

/// What one item asks. `utf8`: the client takes 8-bit text.
fn of_item(item: &Item, utf8: bool) -> Wants {
    let nothing = Wants::default();
    match item {
        Item::Flags | Item::Uid | Item::SaveDate | Item::ModSeq | Item::InternalDate => nothing,
        Item::Size => Wants { size: true, ..nothing },
        Item::Envelope => Wants { fields: Some(Names::of_envelope()), ..nothing },
        Item::Body | Item::BodyStructure => {
            let form = Form { extended: matches!(item, Item::BodyStructure), utf8 };
            Wants { structure: true, answer: Some(form), ..nothing }
        }
        Item::Section(section) if section.path.is_empty() && section.what == What::Fields => {
            Wants { fields: Some(section.digests.clone()), ..nothing }
        }
        Item::Section(section) | Item::Binary(section) | Item::BinarySize(section) => {
            Wants { bytes: true, structure: !section.path.is_empty(), ..nothing }
        }
    }
}

/// What all items ask.
pub(super) fn of(items: &[Item], utf8: bool) -> Wants {
    items.iter().map(|item| of_item(item, utf8)).fold(Wants::default(), |mut all, one| {
        all.size |= one.size;
        all.structure |= one.structure;
        all.answer = one.answer.or(all.answer);
        all.bytes |= one.bytes;
        if let Some(names) = one.fields {
            all.fields.get_or_insert_default().extend(names);
        }
        all
    })
}
