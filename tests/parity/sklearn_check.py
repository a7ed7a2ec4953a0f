"""What tests/parity/sklearn.sh runs, in an empty folder: PYTHON sklearn_check.py ROOT."""
import csv
import json
import math
import subprocess
import sys
import warnings

import numpy as np
import sklearn.metrics as sk
from scipy.optimize import minimize_scalar
from scipy.stats import binomtest, norm

warnings.filterwarnings("ignore")
root = sys.argv[1]
names = ["benign", "malignant", "cyst", "other"]
rng = np.random.default_rng(1)


def report(name, problems):
    print("ok - " + name if not problems else "not ok - %s: %s" % (name, "; ".join(problems[:4])))


def run(*words):
    return json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)


def write(path, truth, p, images=None):
    k = p.shape[1]
    with open(path, "w", newline="") as f:
        out = csv.writer(f, lineterminator="\n")
        out.writerow(["image", "truth"] + names[:k])
        for i, (t, row) in enumerate(zip(truth, p)):
            out.writerow([images[i] if images else "%d.png" % i, names[t]] + [repr(float(v)) for v in row])


def differ(what, got, expected, problems, tolerance=1e-9):
    if expected is None or (isinstance(expected, float) and math.isnan(expected)):
        if got is not None:
            problems.append("%s is %r, expected null" % (what, got))
    elif got is None or abs(got - expected) > tolerance:
        problems.append("%s is %r, expected %r" % (what, got, expected))


def random_set(n, k, shares, sharp, ties):
    truth = rng.choice(k, n, p=shares)
    z = rng.normal(size=(n, k)) * sharp
    z[np.arange(n), truth] += sharp / 2
    if ties:
        z = np.round(z)
    p = np.exp(z - z.max(1, keepdims=True))
    return truth, p / p.sum(1, keepdims=True)


def specificity_at(y, score, sensitivity):
    fpr, tpr, _ = sk.roc_curve(y, score, drop_intermediate=False)
    return max(1 - f for f, t in zip(fpr, tpr) if t >= sensitivity - 1e-12)


def calibration_error(truth, p):
    answer = p.argmax(1)
    confidence, right = p.max(1), answer == truth
    edges = np.linspace(0, 1, 16)
    error = 0
    for low, high in zip(edges[:-1], edges[1:]):
        inside = (confidence > low) & (confidence <= high)
        if inside.any():
            error += abs(confidence[inside].sum() - right[inside].sum())
    return error / len(truth)


def delong(y, scores):
    """Structural components by looking at every pair."""
    v10, v01 = [], []
    for s in scores:
        won = (s[y][:, None] > s[~y][None]) + 0.5 * (s[y][:, None] == s[~y][None])
        v10.append(won.mean(1))
        v01.append(won.mean(0))
    cov = np.atleast_2d(np.cov(v10)) / y.sum() + np.atleast_2d(np.cov(v01)) / (~y).sum()
    return [v.mean() for v in v10], cov


def expected_figures(truth, p, positive):
    k = p.shape[1]
    answer, one_hot = p.argmax(1), np.eye(k)[truth]
    clipped = np.maximum(p, np.finfo(np.float32).tiny)
    e = {
        "loss": -np.log(clipped[np.arange(len(truth)), truth]).mean(),
        "accuracy": sk.accuracy_score(truth, answer),
        "balanced_accuracy": sk.balanced_accuracy_score(truth, answer),
        "mcc": sk.matthews_corrcoef(truth, answer),
        "ece": calibration_error(truth, p),
    }
    if len(set(answer)) == 1:
        e["mcc"] = None  # scikit-learn says 0
    if positive is None:
        e["auc"] = np.mean([sk.roc_auc_score(one_hot[:, c], p[:, c]) for c in range(k)])
        e["average_precision"] = sk.average_precision_score(one_hot, p, average="macro")
        e["brier"] = ((p - one_hot) ** 2).sum(1).mean()
        e["f1"] = sk.f1_score(truth, answer, average="macro")
        e["precision"] = sk.precision_score(truth, answer, average="macro")
        if len(set(answer)) < k:
            e["precision"] = None
        e["sensitivity"] = None
        return e
    y, said, score = truth == positive, answer == positive, p[:, positive]
    e["auc"] = sk.roc_auc_score(y, score)
    e["average_precision"] = sk.average_precision_score(y, score)
    e["brier"] = sk.brier_score_loss(y, np.clip(score, 0, 1))
    e["sensitivity"] = sk.recall_score(y, said)
    e["specificity"] = sk.recall_score(~y, ~said)
    e["precision"] = sk.precision_score(y, said) if said.any() else None
    e["npv"] = sk.precision_score(~y, ~said) if (~said).any() else None
    e["f1"] = sk.f1_score(y, said)
    e["specificity_at_90"] = specificity_at(y, score, 0.90)
    e["specificity_at_95"] = specificity_at(y, score, 0.95)
    return e


def check_classes(got, truth, p, problems):
    answer = p.argmax(1)
    for c, k in enumerate(got):
        y = truth == c
        (auc,), cov = delong(y, [p[:, c]])
        half = norm.ppf(0.975) * math.sqrt(cov[0, 0])
        differ("AUC of a class", k["auc"], auc, problems)
        differ("its interval's low", k["low"], max(auc - half, 0), problems)
        differ("its interval's high", k["high"], min(auc + half, 1), problems)
        differ("recall", k["recall"], sk.recall_score(y, answer == c), problems)
        differ("F1", k["f1"], sk.f1_score(y, answer == c), problems)
        differ("AP", k["average_precision"], sk.average_precision_score(y, p[:, c]), problems)


def temperature(truth, p):
    z = np.log(np.maximum(p, np.finfo(np.float32).tiny))

    def loss(log_t):
        s = z / math.exp(log_t)
        s = s - s.max(1, keepdims=True)
        return (np.log(np.exp(s).sum(1)) - s[np.arange(len(truth)), truth]).mean()

    return math.exp(minimize_scalar(loss, bounds=(-4, 4), method="bounded",
                                    options={"xatol": 1e-10}).x)


def check_set(name, truth, p, positives):
    problems = []
    write("a.csv", truth, p)
    for positive in positives:
        got = run(root + "/build/tests/tools/assess", "a.csv",
                  "-" if positive is None else names[positive])
        for key, value in expected_figures(truth, p, positive).items():
            differ(key, got[key], value, problems)
    check_classes(got["classes"], truth, p, problems)
    t = temperature(truth, p)
    if 0.05 < t < 20:
        differ("temperature", got["temperature"], t, problems, 1e-5 * t)
    report("figures of " + name, problems)


def check_compare():
    problems = []
    truth, a = random_set(300, 2, [0.3, 0.7], 1, True)
    b = random_set(300, 2, [0.3, 0.7], 1, False)[1]
    b = 0.5 * a + 0.5 * b
    write("a.csv", truth, a)
    order = rng.permutation(300)
    write("b.csv", truth[order], b[order], ["%d.png" % i for i in order])
    got = run(root + "/darknet", "classifier", "compare", "a.csv", "b.csv", "-json")
    pair = got["pairs"][0]
    auc, cov = delong(truth == 1, [a[:, 1], b[:, 1]])
    error = math.sqrt(cov[0, 0] + cov[1, 1] - 2 * cov[0, 1])
    differ("difference", pair["auc"]["difference"], auc[0] - auc[1], problems)
    differ("DeLong's p", pair["auc"]["delong_p"], 2 * norm.sf(abs(auc[0] - auc[1]) / error), problems)
    differ("interval", pair["delong_interval"][0], auc[0] - auc[1] - norm.ppf(0.975) * error, problems)
    right_a, right_b = a.argmax(1) == truth, b.argmax(1) == truth
    only_a, only_b = int((right_a & ~right_b).sum()), int((right_b & ~right_a).sum())
    differ("right alone", pair["only_first_right"], only_a, problems)
    differ("McNemar's p", pair["accuracy"]["mcnemar_p"], binomtest(only_a, only_a + only_b).pvalue,
           problems)
    report("compare: DeLong, McNemar, images in another order", problems)


def check_net():
    """valid's own JSON against its own -probs."""
    problems = []
    cfg = root + "/tests/fixtures/tiny.cfg"
    for words in (["ddti", "synth", "sample", "-cases", "60"],
                  ["ddti", "convert", "sample", "-out", "ddti"]):
        subprocess.run([root + "/darknet"] + words, check=True, capture_output=True)
    subprocess.run([root + "/build/tests/tools/make_weights", cfg, "tiny.weights", "1"], check=True,
                   capture_output=True)
    got = run(root + "/darknet", "classifier", "valid", "ddti/ddti.data", cfg, "tiny.weights", "-json",
              "-probs", "p.csv", "-resamples", "50")
    rows = list(csv.DictReader(open("p.csv")))
    truth = np.array([names.index(r["truth"]) for r in rows])
    p = np.array([[float(r[c]) for c in names[:2]] for r in rows])
    # the file has the digits of a float: what is computed from it is as near as these
    for key, value in expected_figures(truth, p, 1).items():
        differ(key, got[key], value, problems, 1e-7)
    cases = {r["image"]: r["case"] for r in csv.DictReader(open("ddti/manifest.csv")) if r["image"]}
    of = np.array([cases[r["image"]] for r in rows])
    mean = np.array([p[of == c].mean(0) for c in dict.fromkeys(of)])
    case_truth = np.array([truth[of == c][0] for c in dict.fromkeys(of)])
    if got["cases"]["n"] != len(mean):
        problems.append("%d cases, expected %d" % (got["cases"]["n"], len(mean)))
    for key, value in expected_figures(case_truth, mean, 1).items():
        differ("by case, " + key, got["cases"][key], value, problems, 1e-7)
    report("valid -json against its -probs, by image and by case", problems)


check_set("200 images with ties", *random_set(200, 2, [0.4, 0.6], 1, True), [0, 1, None])
check_set("500 images, 5 % positive", *random_set(500, 2, [0.95, 0.05], 2, False), [0, 1, None])
check_set("300 images, saturated probabilities", *random_set(300, 2, [0.2, 0.8], 30, False), [1])
check_set("400 images of four classes", *random_set(400, 4, [0.1, 0.2, 0.3, 0.4], 1, True),
          [2, None])
check_compare()
check_net()
