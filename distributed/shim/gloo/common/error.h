// torch's ProcessGroupGloo.hpp includes this and takes no name from it.
#pragma once
