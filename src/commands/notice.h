/* The sentence that every report, prediction and README carries. */
#ifndef TN_COMMANDS_NOTICE_H
#define TN_COMMANDS_NOTICE_H

#define TN_NOTICE                                                                                  \
    "Research software, not a medical device; not for diagnosis. Trained on DDTI, the score "      \
    "estimates a TI-RADS grade of 4a or higher, not the probability of cancer."

#endif
