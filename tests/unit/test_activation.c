/* Activations against figures computed elsewhere, in 40 digits, from their published formulas. */
#include "layers/ops/activation.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { POINTS = 10 };

static const double at[POINTS] = {-5.3, -2.6, -1.25, -0.4, 0.3, 0.85, 1.7, 2.45, 5.2, 6.9};

static const struct {
    tn_activation activation;
    double value[POINTS], slope[POINTS];
} known[] = {
    {TN_LINEAR,
     {-5.3, -2.6, -1.25, -0.4, 0.3, 0.85, 1.7, 2.45, 5.2, 6.9},
     {1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0}},
    {TN_LOGISTIC,
     {0.00496680165005696, 0.0691384203433468, 0.222700138825309, 0.401312339887548,
      0.574442516811659, 0.700567142473973, 0.845534734916465, 0.920561450816022, 0.99451370110055,
      0.998993229179914},
     {0.00494213253142595, 0.0643582991757735, 0.173104786992497, 0.240260745741529,
      0.244458311690746, 0.209772821359825, 0.130605746966208, 0.073128066087523,
      0.00545619942383629, 0.00100575723260146}},
    {TN_LOGGY,
     {-0.990066396699886, -0.861723159313306, -0.554599722349382, -0.197375320224904,
      0.148885033623318, 0.401134284947946, 0.691069469832931, 0.841122901632043, 0.989027402201099,
      0.997986458359829},
     {0.0098842650628519, 0.128716598351547, 0.346209573984994, 0.480521491483058,
      0.488916623381492, 0.41954564271965, 0.261211493932416, 0.146256132175046, 0.0109123988476726,
      0.00201151446520292}},
    {TN_RELU,
     {0.0, 0.0, 0.0, 0.0, 0.3, 0.85, 1.7, 2.45, 5.2, 6.9},
     {0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0}},
    {TN_RELU6,
     {0.0, 0.0, 0.0, 0.0, 0.3, 0.85, 1.7, 2.45, 5.2, 6.0},
     {0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 1.0, 1.0, 0.0}},
    {TN_RELIE,
     {-0.053, -0.026, -0.0125, -0.004, 0.3, 0.85, 1.7, 2.45, 5.2, 6.9},
     {0.01, 0.01, 0.01, 0.01, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0}},
    {TN_LEAKY,
     {-0.53, -0.26, -0.125, -0.04, 0.3, 0.85, 1.7, 2.45, 5.2, 6.9},
     {0.1, 0.1, 0.1, 0.1, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0}},
    {TN_REVLEAKY,
     {-0.53, -0.26, -0.125, -0.04, 0.3, 0.85, 1.7, 2.45, 5.2, 6.9},
     {0.1, 0.1, 0.1, 0.1, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0}},
    {TN_RAMP,
     {-0.53, -0.26, -0.125, -0.04, 0.33, 0.935, 1.87, 2.695, 5.72, 7.59},
     {0.1, 0.1, 0.1, 0.1, 1.1, 1.1, 1.1, 1.1, 1.1, 1.1}},
    {TN_ELU,
     {-0.99500840609309, -0.925726421785666, -0.71349520313981, -0.329679953964361, 0.3, 0.85, 1.7,
      2.45, 5.2, 6.9},
     {0.00499159390691022, 0.0742735782143339, 0.28650479686019, 0.670320046035639, 1.0, 1.0, 1.0,
      1.0, 1.0, 1.0}},
    {TN_SELU,
     {-1.74925586197426, -1.62745596919262, -1.25434685670993, -0.579587658271108, 0.31521,
      0.893095, 1.78619, 2.574215, 5.46364, 7.24983},
     {0.00877537802574181, 0.130575270807382, 0.503684383290068, 1.17844358172889, 1.0507, 1.0507,
      1.0507, 1.0507, 1.0507, 1.0507}},
    {TN_GELU,
     {-2.73934881286342e-8, -0.0116539176852427, -0.132285797030285, -0.137838830572644,
      0.185370923542759, 0.681886588299643, 1.62410589555116, 2.43292081279468, 5.19999994312437,
      6.89999999999999},
     {-2.03264070468723e-7, -0.0308198404724871, -0.122492632249649, 0.197341165579439,
      0.732295451638802, 1.03828935409522, 1.1159146314526, 1.04188578664435, 1.00000040903613,
      1.00000000000009}},
    {TN_TANH,
     {-0.999950169222121, -0.989027402201099, -0.848283639957513, -0.379948962255225,
      0.291312612451591, 0.691069469832931, 0.935409070603099, 0.985216917311436, 0.999939136886199,
      0.999997968739121},
     {9.96590726512957e-5, 0.0218247976953452, 0.280414866180433, 0.855638786081178,
      0.915136961826629, 0.522422987864832, 0.125009870633447, 0.029347625843351,
      0.00012172252328364, 4.06251763196426e-6}},
    {TN_PLSE,
     {-0.013, 0.175, 0.34375, 0.45, 0.5375, 0.60625, 0.7125, 0.80625, 1.012, 1.029},
     {0.01, 0.125, 0.125, 0.125, 0.125, 0.125, 0.125, 0.125, 0.01, 0.01}},
    {TN_STAIR,
     {-3.0, -1.6, -1.0, -0.4, 0.0, 0.0, 0.7, 1.0, 2.2, 3.0},
     {0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 1.0, 0.0}},
    {TN_HARDTAN,
     {-1.0, -1.0, -1.0, -0.4, 0.3, 0.85, 1.0, 1.0, 1.0, 1.0},
     {0.0, 0.0, 0.0, 1.0, 1.0, 1.0, 0.0, 0.0, 0.0, 0.0}},
    {TN_LHTAN,
     {-0.0053, -0.0026, -0.00125, -0.0004, 0.3, 0.85, 1.0007, 1.00145, 1.0042, 1.0059},
     {0.001, 0.001, 0.001, 0.001, 1.0, 1.0, 0.001, 0.001, 0.001, 0.001}},
    {TN_SWISH,
     {-0.0263240487453019, -0.179759892892702, -0.278375173531636, -0.160524935955019,
      0.172332755043498, 0.595482071102877, 1.43740904935799, 2.25537555449925, 5.17147124572286,
      6.89305328134141},
     {-0.0212265007665006, -0.0981931575136643, 0.00631915508468758, 0.305208041590936,
      0.647780010318883, 0.878874040629824, 1.06756450475902, 1.09972521273045, 1.0228859381045,
      1.00593295408486}},
    {TN_MISH,
     {-0.02638942109931, -0.185958135932282, -0.308413961141528, -0.188916482393515,
      0.208001372348115, 0.710119618574967, 1.62076807397554, 2.41927253795719, 5.19968697487551,
      6.8999860125069},
     {-0.0213442600683854, -0.107317980538439, -0.0146975624730195, 0.347572799029104,
      0.78282729955113, 1.01529938267027, 1.08425731594506, 1.04367644839384, 1.00056239967103,
      1.00002591962057}},
    {TN_HARD_MISH,
     {0.0, 0.0, -0.46875, -0.32, 0.3, 0.85, 1.7, 2.45, 5.2, 6.9},
     {0.0, 0.0, -0.25, 0.6, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0}},
};

static void expect_near(tn_activation a, double x, double got, double want, const char *what) {
    if (fabs(got - want) <= 2e-6 * fmax(1, fabs(want))) return;
    fail_msg("%s %s at %g: %.9g, not %.9g", tn_activation_names[a], what, x, got, want);
}

static void values_and_slopes(void **state) {
    (void)state;
    assert_int_equal(sizeof known / sizeof *known, TN_NORM_CHAN);
    for (int i = 0; i < TN_NORM_CHAN; i++) {
        const tn_activation a = known[i].activation;
        for (int j = 0; j < POINTS; j++) {
            const tn_real x = (tn_real)at[j], y = tn_activate(a, x);
            expect_near(a, at[j], (double)y, known[i].value[j], "value");
            /* Those that claim to do without the input must: it is not given to them. */
            const tn_real given = tn_activation_from_output(a) ? (tn_real)NAN : x;
            expect_near(a, at[j], (double)tn_activation_slope(a, given, y), known[i].slope[j],
                        "slope");
        }
    }
}

static void names_follow_the_enum(void **state) {
    (void)state;
    assert_string_equal(tn_activation_names[TN_LINEAR], "linear");
    assert_string_equal(tn_activation_names[TN_HARD_MISH], "hard_mish");
    assert_string_equal(tn_activation_names[TN_NORM_CHAN_SOFTMAX_MAXVAL],
                        "normalize_channels_softmax_maxval");
    assert_null(tn_activation_names[TN_NORM_CHAN_SOFTMAX_MAXVAL + 1]);
}

static void nan_is_seen(void **state) {
    (void)state;
    for (int a = 0; a < TN_NORM_CHAN; a++)
        if (!isnan(tn_activate((tn_activation)a, (tn_real)NAN)))
            fail_msg("%s hides NaN", tn_activation_names[a]);
}

static void far_away_is_finite(void **state) {
    (void)state;
    static const tn_real far[] = {-1e4f, -90, 90, 1e4f};
    for (int a = 0; a < TN_NORM_CHAN; a++) {
        for (size_t i = 0; i < sizeof far / sizeof *far; i++) {
            const tn_real y = tn_activate((tn_activation)a, far[i]);
            const tn_real slope = tn_activation_slope((tn_activation)a, far[i], y);
            if (!isfinite(y) || !isfinite(slope))
                fail_msg("%s at %g: %g, slope %g", tn_activation_names[a], (double)far[i],
                         (double)y, (double)slope);
        }
    }
}

static void kinks_count_from_the_left(void **state) {
    (void)state;
    assert_true(tn_activation_slope(TN_RELU, 0, tn_activate(TN_RELU, 0)) == 0);
    assert_true(tn_activation_slope(TN_LEAKY, 0, 0) == (tn_real)0.1);
    assert_true(tn_activation_slope(TN_HARD_MISH, -2, 0) == 0);
    assert_true(tn_activation_slope(TN_HARD_MISH, 0, 0) == 1);
    assert_true(tn_activation_slope(TN_LHTAN, 1, 1) == 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_and_slopes),
        cmocka_unit_test(names_follow_the_enum),
        cmocka_unit_test(nan_is_seen),
        cmocka_unit_test(far_away_is_finite),
        cmocka_unit_test(kinks_count_from_the_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
