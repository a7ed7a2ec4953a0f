/* This program's version, as printed, and kept with each run. */
#ifndef TN_VERSION_H
#define TN_VERSION_H

#define TN_VERSION "0.1.0"

#endif
