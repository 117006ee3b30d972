//! A forest that answers "is this one an ancestor of that one" fast while links come and go:
//! link-cut trees (Sleator and Tarjan, 1983). Threading asks it before each link (RFC 5256 3, step
//! 1: no loops). Walking up the ancestors instead would take quadratic time on long threads, and a
//! sender of mail could choose the References that make them so.

/// No node.
pub(crate) const NONE: u32 = u32::MAX;

/// A node's place in the splay tree of its path.
#[derive(Clone, Copy, Debug)]
struct Node {
    parent: u32,
    left: u32,
    right: u32,
}

/// The forest; nodes are numbered from 0.
#[derive(Clone, Debug, Default)]
pub(crate) struct LinkCut {
    nodes: Vec<Node>,
}

impl LinkCut {
    /// Adds a node that is a tree of its own.
    pub(crate) fn add(&mut self) {
        self.nodes.push(Node { parent: NONE, left: NONE, right: NONE });
    }

    /// The root of the tree that a node is in.
    pub(crate) fn root(&mut self, node: u32) -> u32 {
        self.access(node);
        let mut top = node;
        while self.left(top) != NONE {
            top = self.left(top);
        }
        // Splaying what was walked to is what pays for the walk.
        self.splay(top);
        top
    }

    /// Makes `parent` the parent of `child`, which must be the root of another tree.
    pub(crate) fn link(&mut self, child: u32, parent: u32) {
        self.access(child);
        self.set_parent(child, parent);
    }

    /// Makes a node the root of a tree of its own, with all that is below it.
    pub(crate) fn cut(&mut self, node: u32) {
        self.access(node);
        let above = self.left(node);
        self.set_parent(above, NONE);
        self.set_left(node, NONE);
    }

    /// Makes the path from the root to a node one splay tree, with the node on top.
    fn access(&mut self, node: u32) {
        let mut below = NONE;
        let mut at = node;
        while at != NONE {
            self.splay(at);
            self.set_right(at, below);
            below = at;
            at = self.parent(at);
        }
        self.splay(node);
    }

    fn splay(&mut self, node: u32) {
        while !self.is_top(node) {
            let parent = self.parent(node);
            if !self.is_top(parent) {
                let grandparent = self.parent(parent);
                let same_side = (self.left(parent) == node) == (self.left(grandparent) == parent);
                self.rotate(if same_side { parent } else { node });
            }
            self.rotate(node);
        }
    }

    /// Whether a node is on top of its splay tree.
    fn is_top(&self, node: u32) -> bool {
        let parent = self.parent(node);
        parent == NONE || (self.left(parent) != node && self.right(parent) != node)
    }

    /// Puts a node above its parent.
    fn rotate(&mut self, node: u32) {
        let parent = self.parent(node);
        let grandparent = self.parent(parent);
        if grandparent != NONE {
            if self.left(grandparent) == parent {
                self.set_left(grandparent, node);
            } else if self.right(grandparent) == parent {
                self.set_right(grandparent, node);
            }
        }
        let between = if self.left(parent) == node {
            let between = self.right(node);
            self.set_left(parent, between);
            self.set_right(node, parent);
            between
        } else {
            let between = self.left(node);
            self.set_right(parent, between);
            self.set_left(node, parent);
            between
        };
        self.set_parent(between, parent);
        self.set_parent(parent, node);
        self.set_parent(node, grandparent);
    }

    fn parent(&self, node: u32) -> u32 {
        self.nodes.get(node as usize).map_or(NONE, |n| n.parent)
    }

    fn left(&self, node: u32) -> u32 {
        self.nodes.get(node as usize).map_or(NONE, |n| n.left)
    }

    fn right(&self, node: u32) -> u32 {
        self.nodes.get(node as usize).map_or(NONE, |n| n.right)
    }

    fn set_parent(&mut self, node: u32, to: u32) {
        if let Some(n) = self.nodes.get_mut(node as usize) {
            n.parent = to;
        }
    }

    fn set_left(&mut self, node: u32, to: u32) {
        if let Some(n) = self.nodes.get_mut(node as usize) {
            n.left = to;
        }
    }

    fn set_right(&mut self, node: u32, to: u32) {
        if let Some(n) = self.nodes.get_mut(node as usize) {
            n.right = to;
        }
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn plain_root(parents: &[u32], mut node: u32) -> u32 {
        while parents[node as usize] != NONE {
            node = parents[node as usize];
        }
        node
    }

    proptest! {
        #[test]
        fn agrees_with_walking(steps in proptest::collection::vec((0u32..12, 0u32..12, any::<bool>()), 0..80)) {
            let mut trees = LinkCut::default();
            let mut parents = vec![NONE; 12];
            (0..12).for_each(|_| trees.add());
            for (child, parent, relink) in steps {
                if parents[child as usize] != NONE && relink {
                    trees.cut(child);
                    parents[child as usize] = NONE;
                }
                let root = plain_root(&parents, parent);
                prop_assert_eq!(trees.root(parent), root);
                if parents[child as usize] == NONE && root != child {
                    trees.link(child, parent);
                    parents[child as usize] = parent;
                }
            }
            for node in 0..12 {
                prop_assert_eq!(trees.root(node), plain_root(&parents, node));
            }
        }
    }

    #[test]
    fn a_long_chain() {
        let mut trees = LinkCut::default();
        for n in 0..200_000u32 {
            trees.add();
            if n > 0 {
                trees.link(n, n - 1);
                assert_eq!(trees.root(n), 0);
            }
        }
    }
}
