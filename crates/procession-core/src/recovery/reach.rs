//! What somebody has, or can still receive; and so what nobody will ever have again.

use super::kinds::{for_each_collection, for_each_record, for_each_stream};
use crate::{
    arena::{Arena, BlockState},
    members::Owner,
    references::{Header, Holder, Part, Reference},
};
use std::collections::{HashMap, HashSet};

/// All references, as they were when they were listed.
pub(super) struct References {
    listed: Vec<Listed>,
    /// Each object and its count, before that.
    counts: HashMap<u64, (BlockState, u64)>,
}

struct Listed {
    /// `None`: it's about to become a reference, or has just been one.
    reference: Option<(Reference, Holder)>,
    /// The object's offset.
    target: u64,
    /// Only a message has it, or a dead process.
    is_unheld: bool,
}

/// What belongs to records, and to messages that somebody can receive.
pub(super) struct Belonging {
    found: HashSet<Part>,
    /// References in messages that nobody can receive, since who could is in such a message itself.
    pub(super) unreachable: HashSet<Reference>,
    /// Not if some messages could not be looked at. Then what seems to belong to nobody may belong to them.
    pub(super) is_whole: bool,
}

impl Belonging {
    pub(super) fn contains(&self, part: Part) -> bool {
        self.found.contains(&part) || !self.is_whole
    }
}

impl References {
    pub(super) fn list(arena: &Arena, dead: &[Owner]) -> References {
        let slots: HashSet<usize> = dead.iter().map(|owner| owner.slot()).collect();
        let mut counts = HashMap::new();
        arena.for_each_held(|block, state, header| {
            counts.insert(block.offset(), (state, header.references.snapshot()));
        });
        let mut listed = Vec::new();
        arena.for_each_reference(|reference, target| {
            let is_unheld =
                reference.is_some_and(|(_, holder)| holder.slot().is_none_or(|slot| slots.contains(&slot)));
            listed.push(Listed { reference, target: target.offset, is_unheld });
        });
        References { listed, counts }
    }

    /// Those of the dead, and those that only a message has: and who has them.
    pub(super) fn unheld(&self) -> impl Iterator<Item = (Reference, Holder)> {
        self.listed.iter().filter(|listed| listed.is_unheld).filter_map(|listed| listed.reference)
    }

    /// Those of these that weren't `unheld`: a message's. What a living member has itself is that one's,
    /// whatever lists it.
    pub(super) fn within(&self, these: &HashSet<Reference>) -> impl Iterator<Item = (Reference, Holder)> {
        let held = self.listed.iter().filter(|listed| !listed.is_unheld);
        held.filter_map(|listed| listed.reference)
            .filter(|(reference, holder)| these.contains(reference) && !matches!(holder, Holder::Member(_)))
    }

    /// What belongs to records and messages now. To be asked after everything that may not was listed.
    pub(super) fn belonging(&self, arena: &Arena) -> Belonging {
        let mut found = HashSet::new();
        for_each_record(arena, |block, _, record| {
            record.parts(arena, block, &mut |part| {
                found.insert(part);
            });
        });
        let mut is_whole = true;
        // By the object by which they are received.
        let mut contents: HashMap<u64, Vec<Part>> = HashMap::new();
        for_each_stream(arena, |_, state, stream| {
            // Also of one that is being made or freed: its record is to be freed with them, not after them.
            found.extend(stream.parts().map(|(_, offset)| Part::Block(offset)));
            if matches!(state, BlockState::Object { .. }) {
                let contents = contents.entry(stream.receivers()).or_default();
                is_whole &= stream.contents(arena, &mut |part| contents.push(part));
            }
        });
        for_each_collection(arena, |block, state, collection| {
            is_whole &= collection.parts(arena, &mut |part| {
                found.insert(part);
            });
            let mut seen = Vec::new();
            is_whole &= collection.contents(arena, &mut |part| seen.push(part));
            if matches!(state, BlockState::Object { .. }) {
                contents.entry(block.offset()).or_default().extend(seen);
            } else {
                // Who frees it frees them.
                found.extend(seen);
            }
        });
        contents.retain(|_, contents| !contents.is_empty());
        if !contents.is_empty() {
            self.reach(arena, &mut contents, &mut found);
        }
        let mut unreachable = HashSet::new();
        for part in contents.into_values().flatten() {
            match part {
                Part::Reference(reference) if is_whole && !found.contains(&part) => {
                    unreachable.insert(reference);
                }
                // The block goes with what has the message. (If it was freed before that, it might be another's by then.)
                _ => {
                    found.insert(part);
                }
            }
        }
        Belonging { found, unreachable, is_whole }
    }

    /// Moves the contents of those streams that somebody can receive from to `found`: who has an end, or can receive it.
    fn reach(&self, arena: &Arena, contents: &mut HashMap<u64, Vec<Part>>, found: &mut HashSet<Part>) {
        let in_messages: HashSet<Part> = contents.values().flatten().copied().collect();
        let mut targets = HashMap::new();
        let mut reachable = Vec::new();
        for Listed { reference, target, is_unheld } in &self.listed {
            let is_root = match reference {
                None => true,
                Some((reference, holder)) => {
                    let part = Part::Reference(*reference);
                    targets.insert(part, *target);
                    let is_in_message = in_messages.contains(&part);
                    // Received meanwhile, or about to be: what it lay in may not have it any more.
                    arena.holder_of(*reference) != Some(*holder)
                        || found.contains(&part)
                        || !is_unheld && (matches!(holder, Holder::Member(_)) || !is_in_message)
                }
            };
            if is_root {
                reachable.push(*target);
            }
        }
        loop {
            while let Some(target) = reachable.pop() {
                for part in contents.remove(&target).unwrap_or_default() {
                    found.insert(part);
                    reachable.extend(targets.get(&part));
                }
            }
            // Of an object whose count has changed meanwhile perhaps not all references were seen.
            reachable.extend(contents.keys().filter(|target| self.has_changed(arena, **target)));
            if reachable.is_empty() {
                return;
            }
        }
    }

    fn has_changed(&self, arena: &Arena, target: u64) -> bool {
        let now = arena.block(target).ok().map(|block| (block, block.state()));
        match (self.counts.get(&target), now) {
            (Some((before, count)), Some((block, now))) if now == *before => {
                arena.record::<Header>(block).is_ok_and(|header| header.references.snapshot() != *count)
            }
            // It's another; or one was made meanwhile.
            (_, Some((_, BlockState::Object { .. }))) => true,
            // It's not there any more.
            _ => false,
        }
    }
}
