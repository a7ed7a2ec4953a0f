#include "src/net/schedule.h"

#include "layers/device/rng.h"

#include <math.h>

static const double pi = 3.14159265358979323846;

const char *tn_policy_name(int policy) {
    static const char *const names[] = {
        [TN_POLICY_CONSTANT] = "constant", [TN_POLICY_STEP] = "step",
        [TN_POLICY_STEPS] = "steps",       [TN_POLICY_EXP] = "exp",
        [TN_POLICY_POLY] = "poly",         [TN_POLICY_SIGMOID] = "sigmoid",
        [TN_POLICY_RANDOM] = "random",     [TN_POLICY_SGDR] = "sgdr",
        [TN_POLICY_COSINE] = "cosine",
    };
    int n = (int)(sizeof names / sizeof *names);
    return policy >= 0 && policy < n ? names[policy] : "unknown";
}

static tn_status check_steps(const tn_net_keys *k) {
    if (k->steps.n == 0) return tn_fail("[net]: policy=steps needs steps= and scales=");
    if (k->steps.n != k->scales.n)
        return tn_fail("[net]: %d steps but %d scales: each step needs its scale", k->steps.n,
                       k->scales.n);
    for (int i = 1; i < k->steps.n; i++)
        if (k->steps.v[i] <= k->steps.v[i - 1])
            return tn_fail("[net]: steps must grow, found %d after %d", k->steps.v[i],
                           k->steps.v[i - 1]);
    return TN_OK;
}

static tn_status check(const tn_schedule *s) {
    const tn_net_keys *k = s->keys;
    bool ends = k->policy == TN_POLICY_POLY || k->policy == TN_POLICY_COSINE ||
                (k->policy == TN_POLICY_SGDR && k->sgdr_cycle <= 0);
    if (ends && s->total == 0)
        return tn_fail("[net]: policy=%s needs max_batches or epochs", tn_policy_name(k->policy));
    if (k->policy == TN_POLICY_COSINE && (uint64_t)k->burn_in >= s->total)
        return tn_fail("[net]: burn_in=%d leaves none of the %llu updates to policy=cosine",
                       k->burn_in, (unsigned long long)s->total);
    if (k->policy == TN_POLICY_STEP && k->step <= 0)
        return tn_fail("[net]: policy=step needs step of 1 or more, found %d", k->step);
    if (k->policy == TN_POLICY_SGDR && k->sgdr_mult < 1)
        return tn_fail("[net]: sgdr_mult=%g: cycles cannot shrink, expected 1 or more",
                       k->sgdr_mult);
    return k->policy == TN_POLICY_STEPS ? check_steps(k) : TN_OK;
}

tn_status tn_schedule_init(tn_schedule *schedule, const tn_net_keys *keys, uint64_t images,
                           uint64_t batch, uint64_t seed) {
    *schedule = (tn_schedule){.keys = keys, .images = images, .batch = batch, .seed = seed};
    if (images == 0 || batch == 0)
        return tn_fail("schedule: %llu images in batches of %llu", (unsigned long long)images,
                       (unsigned long long)batch);
    if (keys->epochs > 0)
        schedule->total = (uint64_t)ceil(keys->epochs * (double)images / (double)batch - 1e-9);
    else if (keys->max_batches > 0)
        schedule->total = (uint64_t)keys->max_batches;
    return check(schedule);
}

static double rate_steps(const tn_net_keys *k, uint64_t n) {
    double rate = k->learning_rate;
    for (int i = 0; i < k->steps.n && (uint64_t)k->steps.v[i] <= n; i++) rate *= k->scales.v[i];
    return rate;
}

static double half_cosine(const tn_net_keys *k, double progress) {
    double low = k->learning_rate_min;
    return low + 0.5 * (k->learning_rate - low) * (1 + cos(pi * progress));
}

static double rate_sgdr(const tn_schedule *s, double n) {
    double start = 0, length = s->keys->sgdr_cycle > 0 ? s->keys->sgdr_cycle : (double)s->total;
    while (start + length < n) {
        start += length;
        length *= s->keys->sgdr_mult;
    }
    return half_cosine(s->keys, (n - start) / length);
}

/* (1 - n/total)^power, 0 past the end. */
static double rate_poly(const tn_schedule *s, double n) {
    double left = 1 - n / (double)s->total;
    return left > 0 ? s->keys->learning_rate * pow(left, s->keys->power) : 0;
}

static double rate_cosine(const tn_schedule *s, double n) {
    double warm = s->keys->burn_in, progress = (n - warm) / ((double)s->total - warm);
    return half_cosine(s->keys, progress < 1 ? progress : 1);
}

static double uniform(const tn_schedule *s, uint64_t n) {
    tn_rng rng = tn_rng_stream(s->seed, TN_RNG_SCHEDULE, (uint32_t)n, (uint32_t)(n >> 32), 0);
    return tn_rng_uniform(&rng, 0, 1);
}

double tn_schedule_rate(const tn_schedule *s, uint64_t n) {
    const tn_net_keys *k = s->keys;
    double lr = k->learning_rate, x = (double)n;
    if (k->burn_in > 0 && n < (uint64_t)k->burn_in) return lr * pow(x / k->burn_in, k->power);
    switch ((tn_policy)k->policy) {
    case TN_POLICY_CONSTANT:
        return lr;
    case TN_POLICY_STEP:
        return lr * pow(k->scale, (double)(n / (uint64_t)k->step));
    case TN_POLICY_STEPS:
        return rate_steps(k, n);
    case TN_POLICY_EXP:
        return lr * pow(k->gamma, x);
    case TN_POLICY_POLY:
        return rate_poly(s, x);
    case TN_POLICY_SIGMOID:
        return lr / (1 + exp(k->gamma * (x - k->step)));
    case TN_POLICY_RANDOM:
        return lr * pow(uniform(s, n), k->power);
    case TN_POLICY_SGDR:
        return rate_sgdr(s, x);
    case TN_POLICY_COSINE:
        return rate_cosine(s, x);
    }
    return lr;
}

double tn_schedule_epochs(const tn_schedule *s, uint64_t updates) {
    return (double)(updates * s->batch) / (double)s->images;
}

bool tn_schedule_ends_epoch(const tn_schedule *s, uint64_t updates) {
    if (updates == 0) return false;
    return updates == s->total ||
           updates * s->batch / s->images > (updates - 1) * s->batch / s->images;
}
