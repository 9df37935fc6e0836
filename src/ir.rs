//! The intermediate representation: one hash-consed graph of tensors over positional axes.
//!
//! A node's axes are its *static* axes (sizes known), then its *width* axes (each of size n). A scalar, vec or mat of
//! the language has 0, 1 or 2 width axes; inside an OuterNonlin (Def. 2.6.1 of [TP4b]) there are as many as the order.
//! Entrywise operations are [`Node::Map`], whose arguments say which of the output's axes each of their own axes is, so
//! every subexpression knows its own axes and hoisting, factorisation and contraction order are local rewrites.

pub mod build;
pub mod graphviz;
pub mod node;
pub mod passes;
pub mod print;
pub mod range;
pub mod scalar;
pub mod training;

pub use node::{
    Arg, BindId, Binding, DataId, Exponent, Init, InitId, Law, Node, NodeId, Prim, Real, ReduceOp,
    Shape,
};

use crate::source::Span;
use indexmap::IndexSet;
use ndarray::ArrayD;

/// The graph and its tables. Nodes only refer to earlier nodes.
#[derive(Clone, Debug, Default)]
pub struct Ir {
    nodes: IndexSet<Node>,
    shapes: Vec<Shape>,
    /// Source spans that each node came from, beside the hash-cons key and never in it.
    origins: Vec<Vec<Span>>,
    /// Initial objects in source order.
    pub inits: Vec<Init>,
    /// Constant tensors.
    pub data: Vec<ArrayD<f64>>,
    /// Bindings with an identity for `grad`.
    pub bindings: Vec<Binding>,
    /// The span given to nodes that are built now.
    pub here: Option<Span>,
}

impl Ir {
    /// An empty graph with the same initial objects and data, so that ids of both agree.
    #[must_use]
    pub fn without_nodes(&self) -> Self {
        Self { inits: self.inits.clone(), data: self.data.clone(), ..Self::default() }
    }

    /// The node with this id.
    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// The axes of a node.
    pub fn shape(&self, id: NodeId) -> &Shape {
        &self.shapes[id.index()]
    }

    /// The places in the source that a node came from, first met first.
    pub fn origins(&self, id: NodeId) -> &[Span] {
        &self.origins[id.index()]
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is no node.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// All ids, operands before users.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = NodeId> + use<> {
        (0..self.nodes.len()).map(NodeId::from_index)
    }

    /// The initial object behind an id.
    pub fn init(&self, id: InitId) -> &Init {
        &self.inits[id.0 as usize]
    }

    /// The nodes that `roots` need, operands before users.
    pub fn reachable(&self, roots: &[NodeId]) -> Vec<NodeId> {
        let mut needed = vec![false; self.len()];
        for root in roots {
            needed[root.index()] = true;
        }
        for id in self.ids().rev() {
            if needed[id.index()] {
                self.node(id).children(|child| needed[child.index()] = true);
            }
        }
        self.ids().filter(|id| needed[id.index()]).collect()
    }

    /// Adds places to those that a node came from.
    pub fn add_origins(&mut self, id: NodeId, spans: &[Span]) {
        for span in spans {
            if !self.origins[id.index()].contains(span) {
                self.origins[id.index()].push(*span);
            }
        }
    }

    /// Interns a node whose shape is known to be `shape`; see `build` for the constructors that simplify.
    pub(crate) fn intern(&mut self, node: Node, shape: Shape) -> NodeId {
        let (index, new) = self.nodes.insert_full(node);
        if new {
            self.shapes.push(shape);
            self.origins.push(Vec::new());
        }
        if let Some(span) = self.here
            && !self.origins[index].contains(&span)
        {
            self.origins[index].push(span);
        }
        NodeId::from_index(index)
    }
}

/// A printed or checked result of a program.
#[derive(Clone, Debug)]
pub struct Output {
    /// The name shown, unique in the program.
    pub name: String,
    /// The value. Scalars and vecs only; loop outputs carry their loop axes first.
    pub node: NodeId,
    /// Where the `output` item stands.
    pub span: Span,
}

/// `expect e ~= value within tol;`
#[derive(Clone, Debug)]
pub struct Expect {
    /// The scalar expression (static axes allowed), without n at leading order.
    pub node: NodeId,
    /// The value, broadcast against the expression.
    pub value: NodeId,
    /// The tolerance, a positive number.
    pub tolerance: f64,
    /// The expression's text.
    pub name: String,
    /// Where the statement stands.
    pub span: Span,
}

/// A binding of the source program, in unrolled order, for `check --types` and `limit --symbolic`.
#[derive(Clone, Debug)]
pub struct Named {
    /// The name, with the time step where a `var` is assigned more than once (`m`, `m@1`, …).
    pub name: String,
    /// The value.
    pub node: NodeId,
    /// Where it is bound.
    pub span: Span,
    /// The power of n that an annotation states, and the annotation's place.
    pub declared: Option<(Exponent, Span)>,
}

/// A lowered program: the graph and what is asked of it.
#[derive(Clone, Debug, Default)]
pub struct Program {
    /// The graph.
    pub ir: Ir,
    /// What is printed, in source order.
    pub outputs: Vec<Output>,
    /// What is checked.
    pub expects: Vec<Expect>,
    /// Every binding.
    pub named: Vec<Named>,
    /// Of a leading-order program, for each output that is a Gaussian number itself the covariances of its entries; empty if
    /// there is none.
    pub covariances: Vec<Option<NodeId>>,
}

impl Program {
    /// All nodes that results, expectations and names refer to.
    pub fn roots(&self) -> Vec<NodeId> {
        let outputs = self.outputs.iter().map(|output| output.node);
        let expects = self.expects.iter().flat_map(|expect| [expect.node, expect.value]);
        let named = self.named.iter().map(|named| named.node);
        outputs.chain(expects).chain(named).collect()
    }

    /// Replaces every reference to a node.
    pub fn map_roots(&mut self, mut f: impl FnMut(NodeId) -> NodeId) {
        self.outputs.iter_mut().for_each(|output| output.node = f(output.node));
        for expect in &mut self.expects {
            expect.node = f(expect.node);
            expect.value = f(expect.value);
        }
        self.named.iter_mut().for_each(|named| named.node = f(named.node));
    }
}
