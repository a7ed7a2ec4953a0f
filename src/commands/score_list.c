#include "src/commands/score_list.h"

typedef struct answers {
    const tn_list *list;
    tn_predictions *to;
} answers;

static tn_status receive(void *context, int index, const float *probability) {
    const answers *a = context;
    return tn_predictions_add_float(a->to, a->list->path[index], a->list->label[index],
                                    probability);
}

tn_status tn_score_list(const tn_model *model, const tn_list *list, tn_views views,
                        tn_predictions *out) {
    answers a = {list, out};
    *out = (tn_predictions){0};
    TN_TRY(tn_predictions_create(out, model->names, model->classes, (size_t)list->n));
    return tn_views_run(model, list, views, receive, &a);
}
