# An addon with test doubles of graphics devices: the objects of the real one, and test/native/fake_devices.cpp.
if(TARGET prune_gguf AND NOT MSVC)
    add_library(prune_gguf_fake SHARED EXCLUDE_FROM_ALL
        ${CMAKE_CURRENT_SOURCE_DIR}/test/native/fake_devices.cpp $<TARGET_OBJECTS:prune_gguf>)
    set_target_properties(prune_gguf_fake PROPERTIES
        PREFIX "" SUFFIX ".node"
        LIBRARY_OUTPUT_DIRECTORY "$<1:${CMAKE_BINARY_DIR}/bin>")
    target_include_directories(prune_gguf_fake PRIVATE ${LLAMA_DIR}/ggml/src)
    get_target_property(ADDON_LIBRARIES prune_gguf LINK_LIBRARIES)
    target_link_libraries(prune_gguf_fake PRIVATE ${ADDON_LIBRARIES})
    get_target_property(ADDON_LINK_OPTIONS prune_gguf LINK_OPTIONS)
    if(ADDON_LINK_OPTIONS)
        target_link_options(prune_gguf_fake PRIVATE ${ADDON_LINK_OPTIONS})
    endif()
    # Built whenever the generator of models is.
    add_dependencies(test-llama-archs prune_gguf_fake)
endif()
