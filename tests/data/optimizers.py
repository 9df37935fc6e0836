"""Writes optimizers.json, reference trajectories for programs/std/optim.tp: `python optimizers.py > optimizers.json`
(PyTorch 2.15.0, JAX 0.10.2, NumPy 2.4.6). The weights are the float32 draws of the program; all that follows is float64.

muP at width n: W has variance 1/n, the output a factor 1/n, g = n * dloss/dw for all parameters, the learning rate of W is lr / n.
With source torch.optim.* PyTorch trains, on gradients by autograd. With source "formula" the functions below do, on gradients
from `backward`; they are the published formulas with epsilon inside of the root, which PyTorch does not offer. Those that
PyTorch has too are first held against it with epsilon outside. Two follow PyTorch's
documentation where descriptions differ: amsgrad is debiased, and the running mean in nadam has a constant beta1."""
import json
import jax
import numpy as np
import torch

torch.set_default_dtype(torch.float64)  # also of NAdam's running product, which else is float32
N, SEED, STEPS = 64, 0, 5
XS = np.array([[1, 0.5, -0.2], [0.3, -1, 0.4], [0.1, 0.2, 0.9], [-0.5, 0.5, 0.5]])
YS = np.array([1, -1, 0.5, 0])
PROGRAM = """data xs : scalar[4, 3] = [[1, 0.5, -0.2], [0.3, -1, 0.4], [0.1, 0.2, 0.9], [-0.5, 0.5, 0.5]];
data ys : scalar[4] = [1, -1, 0.5, 0];
net f(x : scalar[d]) {
  param U : vec[d];
  param W : mat;
  param v : vec;
  return sum[a](v[a] * tanh((W @ tanh(sum[j](U[j] * x[j])))[a]));
}
train f on (xs, ys) { parametrization mup; optimizer OPT; steps 5; }
output f.train, f.loss;
"""

# The power c of the learning rate lr * n^(-c), and d of the gradient n^d * dloss/dw.
C = {"U": 0, "W": 1, "v": 0}
D = {"U": 1, "W": 1, "v": 1}

def weights():
    shapes = {"U": (3, N), "W": (N, N), "v": (N,)}
    key = jax.random.key(SEED)
    w = {name: np.float64(jax.random.normal(jax.random.fold_in(key, k), shape, np.float32))
         for k, (name, shape) in enumerate(shapes.items())}
    w["W"] /= N**0.5  # a power of two: exact
    return w

def forward(w):
    x1 = np.tanh(XS @ w["U"])
    x2 = np.tanh(x1 @ w["W"].T)
    return x1, x2, x2 @ w["v"] / N

def backward(w):
    x1, x2, f = forward(w)
    df = (f - YS) / N
    dh2 = df[:, None] * w["v"] * (1 - x2**2)
    dh1 = dh2 @ w["W"] * (1 - x1**2)
    return {"U": XS.T @ dh1, "W": dh2.T @ x1, "v": df @ x2}

# Formulas. Each gets the gradients g_1, ..., g_t of one parameter so far, and returns the step without learning rate: sums
# over the past in place of recursions where the papers define them so.

def mean(values, beta):
    """The exponential running mean that starts at 0."""
    t = len(values)
    return sum((1 - beta) * beta ** (t - 1 - s) * x for s, x in enumerate(values))

def debiased(values, beta):
    return mean(values, beta) / (1 - beta ** len(values))

def squares(gs):
    return [g**2 for g in gs]

def divide(x, square, eps, eps_out):
    return x / (np.sqrt(square + eps**2) + eps_out)

MARGIN = []  # smallest over largest |entry| of each argument of a sign

def sign(x, eps):
    if eps > 0:
        return divide(x, x**2, eps, 0)
    MARGIN.append(np.abs(x).min() / np.abs(x).max())
    return np.sign(x)

def signsgd(gs, name, eps):
    return sign(gs[-1], eps)

def lion(gs, name, beta1, beta2, eps):
    return sign(beta1 * mean(gs[:-1], beta2) + (1 - beta1) * gs[-1], eps)

def rmsprop(gs, name, beta, eps, eps_out=0):
    return divide(gs[-1], mean(squares(gs), beta), eps, eps_out)

def adagrad(gs, name, eps, eps_out=0):
    return divide(gs[-1], sum(squares(gs)), eps, eps_out)

def adam(gs, name, beta1, beta2, eps, eps_out=0):
    return divide(debiased(gs, beta1), debiased(squares(gs), beta2), eps, eps_out)

def amsgrad(gs, name, beta1, beta2, eps, eps_out=0):
    largest = np.max([mean(squares(gs[:s]), beta2) for s in range(1, len(gs) + 1)], axis=0)
    return divide(debiased(gs, beta1), largest / (1 - beta2 ** len(gs)), eps, eps_out)

def nadam(gs, name, beta1, beta2, warmup, eps, eps_out=0):
    t = len(gs)
    mu = [beta1 * (1 - 0.5 * 0.96 ** (s * warmup)) for s in range(1, t + 2)]
    ahead = mu[t] * mean(gs, beta1) / (1 - np.prod(mu)) + (1 - mu[t - 1]) * gs[-1] / (1 - np.prod(mu[:t]))
    return divide(ahead, debiased(squares(gs), beta2), eps, eps_out)

def adafactor(gs, name, power, eps, eps_out=0):
    """Algorithms 4 (W) and 5 (v, and the three vectors of U) of Shazeer and Stern up to the place of epsilon, without
    clipping and relative step sizes."""
    rows = columns = whole = 0
    for s, g in enumerate(gs, start=1):
        beta = 1 - s ** -power
        whole = beta * whole + (1 - beta) * g**2
        if name == "W":
            rows = beta * rows + (1 - beta) * (g**2).sum(1)
            columns = beta * columns + (1 - beta) * (g**2).sum(0)
    square = np.outer(rows, columns) / rows.sum() if name == "W" else whole
    return divide(gs[-1], square, eps, eps_out)

def train_formula(rule, lr, decay=0, **options):
    w = weights()
    past = {name: [] for name in w}
    rows = [forward(w)[2]]
    for _ in range(STEPS):
        for name, g in backward(w).items():
            past[name].append(N ** D[name] * g)
        for name in w:
            w[name] = (1 - lr * decay) * w[name] - lr * N ** -C[name] * rule(past[name], name, **options)
        rows.append(forward(w)[2])
    return np.array(rows)

def train_torch(make, lr, decay=None, **options):
    w = {name: torch.tensor(x, requires_grad=True) for name, x in weights().items()}
    xs, ys = torch.tensor(XS), torch.tensor(YS)
    f = lambda: torch.tanh(torch.tanh(xs @ w["U"]) @ w["W"].T) @ w["v"] / N
    # PyTorch decays by the group's lr * weight_decay, tpc by lr * decay for every parameter.
    groups = [{"params": [w[name]], "lr": lr * N ** -C[name]} | ({} if decay is None else {"weight_decay": decay * N ** C[name]})
              for name in w]
    optimizer = make(groups, lr=lr, **options)
    rows = [f().detach().numpy()]
    for _ in range(STEPS):
        optimizer.zero_grad()
        ((f() - ys) ** 2).sum().div(2).backward()
        for name in w:
            w[name].grad *= N ** D[name]
        optimizer.step()
        rows.append(f().detach().numpy())
    return np.array(rows)

O = torch.optim
TORCH = [
    ("sgd(lr = 0.1)", O.SGD, dict(lr=0.1), None),
    ("momentum(lr = 0.1)", O.SGD, dict(lr=0.1, momentum=0.9), None),
    ("momentum(lr = 0.1, beta = 0.5)", O.SGD, dict(lr=0.1, momentum=0.5), None),
    ("nesterov(lr = 0.1)", O.SGD, dict(lr=0.1, momentum=0.9, nesterov=True), None),
    ("rmsprop(lr = 0.05, eps = 0, eps_out = 0.01)", O.RMSprop, dict(lr=0.05, eps=0.01),
     (rmsprop, dict(lr=0.05, beta=0.99, eps=0, eps_out=0.01))),
    ("rmsprop(lr = 0.1, beta = 0.7, eps = 0, eps_out = 0.01)", O.RMSprop, dict(lr=0.1, alpha=0.7, eps=0.01),
     (rmsprop, dict(lr=0.1, beta=0.7, eps=0, eps_out=0.01))),
    ("adagrad(lr = 0.1, eps = 0, eps_out = 0.0001)", O.Adagrad, dict(lr=0.1, eps=1e-4),
     (adagrad, dict(lr=0.1, eps=0, eps_out=1e-4))),
    ("adadelta(eps = 0.1)", O.Adadelta, dict(lr=1.0, eps=0.1**2), None),
    ("adadelta(lr = 0.7, rho = 0.6, eps = 0.1)", O.Adadelta, dict(lr=0.7, rho=0.6, eps=0.1**2), None),
    ("adam(lr = 0.1, eps = 0, eps_out = 0.0001)", O.Adam, dict(lr=0.1, eps=1e-4),
     (adam, dict(lr=0.1, beta1=0.9, beta2=0.999, eps=0, eps_out=1e-4))),
    ("adam(lr = 0.1, beta1 = 0.6, beta2 = 0.5, eps = 0, eps_out = 0.01)", O.Adam, dict(lr=0.1, betas=(0.6, 0.5), eps=0.01),
     (adam, dict(lr=0.1, beta1=0.6, beta2=0.5, eps=0, eps_out=0.01))),
    ("adamw(lr = 0.1, eps = 0, eps_out = 0.0001)", O.AdamW, dict(lr=0.1, eps=1e-4, decay=0.01),
     (adam, dict(lr=0.1, beta1=0.9, beta2=0.999, eps=0, eps_out=1e-4, decay=0.01))),
    ("adamw(lr = 0.1, beta1 = 0.6, beta2 = 0.5, eps = 0, eps_out = 0.01, decay = 0.5)", O.AdamW,
     dict(lr=0.1, betas=(0.6, 0.5), eps=0.01, decay=0.5),
     (adam, dict(lr=0.1, beta1=0.6, beta2=0.5, eps=0, eps_out=0.01, decay=0.5))),
    ("nadam(lr = 0.1, eps = 0, eps_out = 0.0001)", O.NAdam, dict(lr=0.1, eps=1e-4),
     (nadam, dict(lr=0.1, beta1=0.9, beta2=0.999, warmup=0.004, eps=0, eps_out=1e-4))),
    ("nadam(lr = 0.1, beta1 = 0.6, beta2 = 0.5, eps = 0, eps_out = 0.01, warmup = 5)", O.NAdam,
     dict(lr=0.1, betas=(0.6, 0.5), eps=0.01, momentum_decay=5),
     (nadam, dict(lr=0.1, beta1=0.6, beta2=0.5, warmup=5, eps=0, eps_out=0.01))),
    ("adamax(lr = 0.1, eps = 0.0001)", O.Adamax, dict(lr=0.1, eps=1e-4), None),
    ("adamax(lr = 0.1, beta1 = 0.6, beta2 = 0.5, eps = 0.01)", O.Adamax, dict(lr=0.1, betas=(0.6, 0.5), eps=0.01), None),
    ("amsgrad(lr = 0.05, eps = 0, eps_out = 0.0001)", O.Adam, dict(lr=0.05, eps=1e-4, amsgrad=True),
     (amsgrad, dict(lr=0.05, beta1=0.9, beta2=0.999, eps=0, eps_out=1e-4))),
    ("amsgrad(lr = 0.1, beta1 = 0.6, beta2 = 0.5, eps = 0, eps_out = 0.01)", O.Adam,
     dict(lr=0.1, betas=(0.6, 0.5), eps=0.01, amsgrad=True), (amsgrad, dict(lr=0.1, beta1=0.6, beta2=0.5, eps=0, eps_out=0.01))),
]
FORMULA = [
    ("signsgd(lr = 0.06)", signsgd, dict(lr=0.06, eps=0)),
    ("signsgd(lr = 0.1, eps = 0.01)", signsgd, dict(lr=0.1, eps=0.01)),
    ("lion(lr = 0.06)", lion, dict(lr=0.06, beta1=0.9, beta2=0.99, eps=0)),
    ("lion(lr = 0.12, beta1 = 0.6, beta2 = 0.7)", lion, dict(lr=0.12, beta1=0.6, beta2=0.7, eps=0)),
    ("lion(lr = 0.1, eps = 0.01)", lion, dict(lr=0.1, beta1=0.9, beta2=0.99, eps=0.01)),
    ("adafactor(lr = 0.1, eps = 0.0001)", adafactor, dict(lr=0.1, power=0.8, eps=1e-4)),
    ("adafactor(lr = 0.1, power = 0.5, eps = 0.05)", adafactor, dict(lr=0.1, power=0.5, eps=0.05)),
    ("adafactor(lr = 0.1, eps = 0, eps_out = 0.05)", adafactor, dict(lr=0.1, power=0.8, eps=0, eps_out=0.05)),
    ("rmsprop(lr = 0.1, beta = 0.7, eps = 0.05)", rmsprop, dict(lr=0.1, beta=0.7, eps=0.05)),
    ("adagrad(lr = 0.1, eps = 0.05)", adagrad, dict(lr=0.1, eps=0.05)),
    ("adam(lr = 0.1, eps = 0.05)", adam, dict(lr=0.1, beta1=0.9, beta2=0.999, eps=0.05)),
    ("adam(lr = 0.1, eps = 0.05, eps_out = 0.05)", adam, dict(lr=0.1, beta1=0.9, beta2=0.999, eps=0.05, eps_out=0.05)),
    ("adamw(lr = 0.1, eps = 0.05, decay = 0.5)", adam, dict(lr=0.1, beta1=0.9, beta2=0.999, eps=0.05, decay=0.5)),
    ("nadam(lr = 0.1, eps = 0.05)", nadam, dict(lr=0.1, beta1=0.9, beta2=0.999, warmup=0.004, eps=0.05)),
    ("amsgrad(lr = 0.1, beta1 = 0.6, beta2 = 0.5, eps = 0.05)", amsgrad, dict(lr=0.1, beta1=0.6, beta2=0.5, eps=0.05)),
]

cases = []
for text, make, options, formula in TORCH:
    train = train_torch(make, **options)
    if formula:
        rule, same = formula
        assert np.abs(train_formula(rule, **same) - train).max() < 1e-12, text
    name = make.__name__ + ("(amsgrad=True)" if "amsgrad" in options else "")
    cases.append({"optimizer": text, "source": "torch.optim." + name, "train": train})
for text, rule, options in FORMULA:
    MARGIN.clear()
    cases.append({"optimizer": text, "source": "formula", "train": train_formula(rule, **options)})
    # float32 rounding, about 1e-7 of the largest entry, flips no sign: the learning rates are chosen so.
    assert min(MARGIN, default=1) > 5e-6, (text, min(MARGIN))
for k, a in enumerate(cases):
    assert np.abs(a["train"][-1] - a["train"][0]).max() > 0.1, a
    for b in cases[:k]:
        assert np.abs(a["train"] - b["train"]).max() > 1e-4, (a["optimizer"], b["optimizer"])

print('{"program": ' + json.dumps(PROGRAM) + f', "width": {N}, "seed": {SEED}, "cases": [')
print(",\n".join(
    " " + json.dumps({"optimizer": c["optimizer"], "source": c["source"]})[:-1] + ', "train": [\n  '
    + ",\n  ".join(json.dumps([round(float(x), 12) for x in row]) for row in c["train"]) + "]}" for c in cases))
print("]}")
