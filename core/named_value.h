// Names for the members of cohort's own types that users may put into an archive of Boost's, where
// XML wants them: `archive & make_nvp("host", host)`.
#pragma once

#include <boost/serialization/nvp.hpp>

namespace cohort {

using boost::serialization::make_nvp;

}  // namespace cohort
