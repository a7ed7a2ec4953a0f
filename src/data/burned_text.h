/* Text below the ultrasound picture of a frame: where clinics write, besides the side of the neck,
 * what they found. */
#ifndef TN_DATA_BURNED_TEXT_H
#define TN_DATA_BURNED_TEXT_H

#include "src/data/image.h"

#ifdef __cplusplus
extern "C" {
#endif

/* From this many letters on there is more than a side's name ("IZQ -ITSMO" has 8): suspected. */
enum { TN_BURNED_TEXT_LETTERS = 9 };

/* Bright shapes of a letter's size (a sixtieth to a twentieth of the frame's height tall) below the
 * picture that tn_find_sector finds. 0 where that is the whole frame. */
tn_status tn_count_letters_below(const tn_image *frame, int *letters);

#ifdef __cplusplus
}
#endif
#endif
