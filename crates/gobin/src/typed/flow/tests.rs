//! What is known of registers and frames along short pieces of code.

use super::*;
use crate::typed::scan::scan_one;

/// Functions at 0x9000 and 0x9010, variables at 0x2000.
fn said(bytes: &[u8]) -> Vec<Event> {
    let program = Program {
        callees: Callees::of(&[
            (0x9000, Callee::NewObject),
            (0x9010, Callee::WriteMap),
            (0x9020, Callee::MakeSmallMap),
        ]),
        variables: [AddrRange::sized(Addr(0x2000), 0x100); 2],
        types: Types::none(),
        text: AddrRange::sized(Addr(0x1000), 0x100),
        constants: Vec::new(),
    };
    scan_one(&program, Addr(0x1000), bytes).events
}

const NEW_3000: [u8; 12] = [
    0x48, 0x8d, 0x05, 0xf9, 0x1f, 0, 0, // lea rax, [0x3000]
    0xe8, 0xf4, 0x7f, 0, 0, // call 0x9000
];

#[test]
fn what_is_made_of_a_type_is_followed_through_the_frame_into_a_variable() {
    let mut code = NEW_3000.to_vec();
    code.extend([0x48, 0x89, 0x44, 0x24, 0x18]); // mov [rsp+0x18], rax
    code.extend([0x31, 0xc0]); // xor eax, eax
    code.extend([0x48, 0x8b, 0x4c, 0x24, 0x18]); // mov rcx, [rsp+0x18]
    code.extend([0x48, 0x89, 0x0d, 0xe1, 0x0f, 0, 0]); // mov [0x2000], rcx
    let (word, value) = (0x2000, Value::New(0x3000));
    let pc = 0x1018;
    assert_eq!(said(&code), [Event::Stored { word, value, pc }]);
}

#[test]
fn ways_that_disagree_say_nothing() {
    let mut code = NEW_3000.to_vec();
    code.extend([0x85, 0xc9]); // test ecx, ecx
    code.extend([0x74, 0x02]); // je 0x1012
    code.extend([0x8b, 0x00]); // mov eax, [rax]
    code.extend([0x48, 0x89, 0x05, 0xe7, 0x0f, 0, 0]); // 0x1012: mov [0x2000], rax
    let (word, value) = (0x2000, Value::Unknown);
    let pc = 0x1012;
    assert_eq!(said(&code), [Event::Stored { word, value, pc }]);
}

#[test]
fn a_loop_that_changes_a_register_says_nothing_of_it() {
    let mut code = NEW_3000.to_vec();
    code.extend([0x48, 0x89, 0x05, 0xed, 0x0f, 0, 0]); // 0x100c: mov [0x2000], rax
    code.extend([0x48, 0x8b, 0x00]); // mov rax, [rax]
    code.extend([0x75, 0xf4]); // jne 0x100c
    let (word, value) = (0x2000, Value::Unknown);
    let pc = 0x100c;
    assert_eq!(said(&code), [Event::Stored { word, value, pc }]);
}

#[test]
fn what_is_in_the_frame_stays_over_a_loop_whose_end_stands_in_front() {
    let mut code = NEW_3000.to_vec();
    code.extend([0x48, 0x89, 0x44, 0x24, 0x18]); // mov [rsp+0x18], rax
    code.extend([0xeb, 0x02]); // jmp 0x1015
    code.extend([0xff, 0xc1]); // 0x1013: inc ecx
    code.extend([0x83, 0xf9, 0x05]); // 0x1015: cmp ecx, 5
    code.extend([0x7c, 0xf9]); // jl 0x1013
    code.extend([0x48, 0x8b, 0x44, 0x24, 0x18]); // mov rax, [rsp+0x18]
    code.extend([0x48, 0x89, 0x05, 0xda, 0x0f, 0, 0]); // mov [0x2000], rax
    let (word, value) = (0x2000, Value::New(0x3000));
    let pc = 0x101f;
    assert_eq!(said(&code), [Event::Stored { word, value, pc }]);
}

#[test]
fn what_no_jump_leads_to_knows_nothing() {
    let mut code = NEW_3000.to_vec();
    code.extend([0xeb, 0x07]); // jmp 0x1015
    code.extend([0x48, 0x89, 0x05, 0xeb, 0x0f, 0, 0]); // mov [0x2000], rax
    code.extend([0xc3]); // 0x1015: ret
    let (word, value) = (0x2000, Value::Unknown);
    let pc = 0x100e;
    assert_eq!(said(&code), [Event::Stored { word, value, pc }]);
}

#[test]
fn a_map_in_a_variable_is_of_the_type_that_it_is_written_with() {
    let code = [
        0x48, 0x8b, 0x1d, 0x01, 0x10, 0, 0, // mov rbx, [0x2008]
        0x48, 0x8d, 0x05, 0xf2, 0x1f, 0, 0, // lea rax, [0x3000]
        0xe8, 0xfd, 0x7f, 0, 0, // call 0x9010
    ];
    let as_ = Use::Map {
        ty: 0x3000,
        written: true,
    };
    let (value, pc) = (Value::Loaded(0x2008), 0x100e);
    assert_eq!(said(&code), [Event::Used { value, as_, pc }]);
}

#[test]
fn a_small_map_is_known_by_its_call_where_it_is_written_to_and_stored() {
    let code = [
        0xe8, 0x1b, 0x80, 0, 0, // call 0x9020
        0x48, 0x89, 0x44, 0x24, 0x18, // mov [rsp+0x18], rax
        0x48, 0x89, 0xc3, // mov rbx, rax
        0x48, 0x8d, 0x05, 0xec, 0x1f, 0, 0, // lea rax, [0x3000]
        0xe8, 0xf7, 0x7f, 0, 0, // call 0x9010
        0x48, 0x8b, 0x44, 0x24, 0x18, // mov rax, [rsp+0x18]
        0x48, 0x89, 0x05, 0xdb, 0x0f, 0, 0, // mov [0x2000], rax
    ];
    let value = Value::Made(0x1005);
    let as_ = Use::Map {
        ty: 0x3000,
        written: true,
    };
    let used = Event::Used {
        value,
        as_,
        pc: 0x1014,
    };
    let (word, pc) = (0x2000, 0x101e);
    assert_eq!(said(&code), [used, Event::Stored { word, value, pc }]);
}

#[test]
fn any_bytes_are_followed_to_their_end() {
    for byte in 0..=255 {
        super::super::follow_code(Addr(0x1000), &[byte; 64]);
    }
}
